import EmbeddedPostgres
import Glibc
import Postgres
import Runtime
import Secrets
import Testing

@testable import Delivery
@testable import TestSupport

/// A store with channels of all kinds, and a service that delivers to the loopback address.
struct ChannelBench: Sendable {
    let database: Database
    let admin: PostgresConnection
    let key: SealingKey
    let role: String

    static func with(_ body: @escaping @Sendable (ChannelBench) async throws -> Void) async throws {
        try await TestDatabase.withDatabase { database in
            let admin = try await database.connect()
            let role = "channels_\(database.name)"
            try await admin.execute("create role \(role) login in role monitoring_service")
            try await admin.execute(Self.tell)
            let bench = ChannelBench(database: database, admin: admin, key: try SealingKey.generate(), role: role)
            let result = await Result { try await body(bench) }
            await admin.close()
            try result.get()
        }
    }

    /// Queues an event for a channel, about what a key names and after a message before it; returns the message's id.
    private static let tell = """
        create function public.tell(p_channel uuid, p_event jsonb, p_key text, p_previous uuid) returns uuid
        language sql as $$
            with made as (
                insert into monitoring.outbox_messages (
                    message_id, tenant_id, event_type, reason, channel_id, destination_id, dedup_key, ordering_key,
                    content_type, body)
                select id.value, monitoring.system_tenant_id(), 'alert.fired', 'first', channel.id, channel.id,
                    id.value::text, p_key, rendered.content_type, rendered.body
                from monitoring.notification_channels as channel
                cross join (select gen_random_uuid() as value) as id
                cross join lateral monitoring_internal.render_message(
                    channel.channel_type, channel.configuration, p_event, id.value, p_previous, p_key, null) as rendered
                where channel.id = p_channel
                returning message_id)
            select message_id from made
        $$;
        update monitoring.settings set value = '10ms' where name = 'delivery.backoff_base';
        """

    /// Makes a channel whose secret is sealed as the command line seals it.
    func addChannel(
        _ name: String, _ kind: String, _ url: String?, secret: String? = nil, _ configuration: String = "{}"
    ) async throws -> String {
        let id = try #require(try await admin.query("select gen_random_uuid()").scalar)
        let context = try await admin.query(
            kind == "webhook"
                ? "select monitoring_internal.endpoint_seal_context($1::uuid, $3) where $2::text is not null"
                : "select monitoring_internal.channel_seal_context($1::uuid, $2, $3)", [id, kind, url]
        ).scalar
        let sealed = try secret.map { try KeyRing(key).seal(SecretBytes(Array($0.utf8)), context: context ?? "") }
        _ = try await admin.query(
            "select monitoring.add_endpoint($1::uuid, $2, $3, $4, $5, configuration => $6::jsonb)",
            [id, name, kind, url, sealed, configuration])
        return id
    }

    /// Queues an event, and wakes whoever sends.
    func tell(_ channel: String, _ event: String, key: String = "group/7", after: String? = nil) async throws -> String
    {
        let message = try await admin.query(
            "select public.tell($1::uuid, $2::jsonb, $3, $4::uuid)", [channel, event, key, after]
        ).scalar
        _ = try await admin.query(
            """
            select monitoring_internal.queue_deliveries_at(created_at, array[message_id])
            from monitoring.outbox_messages where message_id = $1::uuid
            """, [message])
        return try #require(message)
    }

    /// An event of one alert, at this time.
    func event(_ status: String, title: String, resolved: Bool = false) async throws -> String {
        let event = try await admin.query(
            """
            select jsonb_build_object('type', 'alert.fired', 'timestamp', at.now, 'data', jsonb_build_object(
                'reason', 'first', 'status', $1::text, 'severity', 'high', 'tenant', 'acme', 'firing', 1, 'resolved', 0,
                'alerts', jsonb_build_array(jsonb_strip_nulls(jsonb_build_object('id', 'a', 'rule', 'disk', 'title', $2::text,
                    'message', '5 % left', 'severity', 'high', 'status', $1::text, 'labels', jsonb_build_object('host', 'db1'),
                    'started_at', at.started, 'resolved_at', case when $3::boolean then at.now end)))))
            from (select monitoring_internal.iso_time(now()) as now,
                monitoring_internal.iso_time(now() - interval '1 minute') as started) as at
            """, [status, title, String(resolved)])
        return try #require(event.scalar)
    }

    /// Runs a service until the body returns, then lets it finish.
    func serving(caFile: String? = nil, _ body: () async throws -> Void) async throws {
        let shutdown = GracefulShutdown()
        let secrets = try SecretOpener(KeySource(file: nil, environment: ["PGVIGIL_KEY": key.text]))
        let policy = AddressPolicy(allowing: [Network(bytes: [127, 0, 0, 0], prefix: 8)])
        let service = try DeliveryService(
            .init(
                configuration: PostgresConfiguration(
                    conninfo: database.cluster.conninfo(database: database.name, user: role),
                    applicationName: "pgvigil delivery"),
                instanceID: "00000000-0000-4000-8000-000000000001",
                sender: .init(policy: policy, caFile: caFile)),
            secrets: secrets, shutdown: shutdown, log: Log(level: .error) { _ in })
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await service.run() }
            let result = await Result { try await body() }
            shutdown.request()
            try await group.waitForAll()
            try result.get()
        }
    }

    /// Waits until a query says `t`.
    func until(_ what: String, _ query: String) async throws {
        for _ in 0..<600 {
            if try await admin.query(query).scalar == "t" { return }
            try await Task.sleep(for: .milliseconds(50))
        }
        let left = try await admin.query(
            "select string_agg(to_jsonb(done)::text, ' ') from monitoring.delivery_attempts as done")
        Issue.record("\(what): \(left.scalar ?? "")")
    }

    func untilEmpty() async throws {
        try await until("deliveries are left", "select not exists (select from monitoring.deliveries)")
    }
}

extension HostileServer {
    /// The lines of the requests it saw, and their bodies.
    func requests() -> [(lines: [String], body: String)] {
        seen.withLock { seen in
            seen.map { request in
                let end = request.firstRange(of: "\r\n\r\n")
                return (
                    request[..<(end?.lowerBound ?? request.endIndex)].split(separator: "\r\n").map { String($0) },
                    end.map { String(request[$0.upperBound...]) } ?? ""
                )
            }
        }
    }
}

extension Result where Failure == any Error {
    /// The outcome of an async body.
    init(_ body: () async throws -> Success) async {
        do { self = .success(try await body()) } catch { self = .failure(error) }
    }
}

/// A folder that goes when it is let go of.
final class ScratchFolder: Sendable {
    let path: String

    init() throws {
        var template = Array("/tmp/pgvigil-mail-XXXXXX".utf8CString)
        path = try #require(mkdtemp(&template).map { String(cString: $0) })
    }

    deinit {
        for name in names() { unlink("\(path)/\(name)") }
        rmdir(path)
    }

    func write(_ text: String, _ name: String) throws -> String {
        let file = try #require(fopen("\(path)/\(name)", "we"))
        fputs(text, file)
        fclose(file)
        return "\(path)/\(name)"
    }

    /// What a file holds; nil while there is none.
    func read(_ name: String) -> String? {
        guard let file = fopen("\(path)/\(name)", "re") else { return nil }
        defer { fclose(file) }
        var bytes: [UInt8] = []
        var part = [UInt8](repeating: 0, count: 65_536)
        while true {
            let count = fread(&part, 1, part.count, file)
            guard count > 0 else { break }
            bytes += part[..<count]
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// Waits for a file.
    func wait(for name: String) async throws -> String {
        for _ in 0..<600 {
            if let text = read(name) { return text }
            try await Task.sleep(for: .milliseconds(50))
        }
        return try #require(nil as String?, "\(name) never came; log: \(read("log") ?? "")")
    }

    private func names() -> [String] {
        guard let directory = opendir(path) else { return [] }
        defer { closedir(directory) }
        var names: [String] = []
        while let entry = readdir(directory) {
            let name = withUnsafePointer(to: entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name != ".", name != ".." { names.append(name) }
        }
        return names
    }
}
