import EmbeddedPostgres
import Postgres
import Runtime
import Secrets
import Testing

@testable import Delivery
@testable import TestSupport

/// A store with one webhook endpoint, and services that deliver.
struct Bench: Sendable {
    let database: Database
    let admin: PostgresConnection
    let key: SealingKey
    let role: String

    static func with(_ body: @escaping @Sendable (Bench) async throws -> Void) async throws {
        try await TestDatabase.withDatabase { try await with($0, body) }
    }

    /// The same on a server that the body may restart, and that keeps what it committed.
    static func withCluster(_ body: @escaping @Sendable (Bench, EmbeddedCluster) async throws -> Void) async throws {
        let options = try await TestCluster.migrated(.init(settings: ["synchronous_commit": "on"]))
        try await TestCluster.withCluster(options) { cluster in
            let database = Database(name: TestCluster.migratedDatabase, cluster: cluster)
            try await with(database) { try await body($0, cluster) }
        }
    }

    private static func with(_ database: Database, _ body: (Bench) async throws -> Void) async throws {
        let admin = try await database.connect()
        let role = "delivery_\(database.name)"
        try await admin.execute("create role \(role) login in role monitoring_service")
        try await admin.execute(
            """
            update monitoring.settings set value = '10ms' where name = 'delivery.backoff_base';
            update monitoring.settings set value = '1s' where name = 'delivery.lease_grace';
            """)
        let bench = Bench(database: database, admin: admin, key: try SealingKey.generate(), role: role)
        do {
            try await body(bench)
            await admin.close()
        } catch {
            await admin.close()
            throw error
        }
    }

    /// A session of the administrator after the server was restarted.
    func reconnected() async throws -> Bench {
        Bench(database: database, admin: try await database.connect(), key: key, role: role)
    }

    static let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

    /// Makes an endpoint whose secret is sealed as the command line seals it.
    func addEndpoint(_ name: String, _ url: String, retries: Int = 3) async throws -> String {
        let id = try await admin.query("select gen_random_uuid()").scalar ?? ""
        let context = try await admin.query(
            "select monitoring_internal.endpoint_seal_context($1::uuid, $2)", [id, url]
        ).scalar
        let sealed = try KeyRing(key).seal(SecretBytes(Array(Self.secret.utf8)), context: context ?? "")
        _ = try await admin.query(
            "select monitoring.add_endpoint($1::uuid, $2, 'webhook', $3, $4)", [id, name, url, sealed])
        _ = try await admin.query(
            """
            update monitoring.webhook_endpoints set retry_attempts = $2::integer, timeout = '1s'
            where id = $1::uuid
            """,
            [id, String(retries)])
        return id
    }

    func enqueue(_ id: String, _ count: Int = 1) async throws {
        _ = try await admin.query(
            """
            select monitoring.send_webhook_notification($1::uuid, 'alert.fired', jsonb_build_object('n', n))
            from generate_series(1, $2::integer) as n
            """, [id, String(count)])
    }

    /// Runs services until the body returns, then lets them finish.
    func serving(
        _ count: Int = 1, allowing networks: [Network] = [Network(bytes: [127, 0, 0, 0], prefix: 8)],
        _ body: () async throws -> Void
    ) async throws {
        let shutdown = GracefulShutdown()
        let secrets = try SecretOpener(KeySource(file: nil, environment: ["PGVIGIL_KEY": key.text]))
        try await withThrowingTaskGroup(of: Void.self) { group in
            for number in 1...count {
                let service = try DeliveryService(
                    .init(
                        configuration: PostgresConfiguration(
                            conninfo: database.cluster.conninfo(database: database.name, user: role),
                            applicationName: "pgvigil delivery"),
                        instanceID: "00000000-0000-4000-8000-00000000000\(number)",
                        sender: .init(policy: AddressPolicy(allowing: networks))),
                    secrets: secrets, shutdown: shutdown, log: Log(level: .error) { _ in })
                group.addTask { try await service.run() }
            }
            do {
                try await body()
                shutdown.request()
            } catch {
                shutdown.request()
                throw error
            }
            try await group.waitForAll()
        }
    }

    /// Waits until a query says `t`.
    func until(_ what: String, _ query: String) async throws {
        for _ in 0..<600 {
            if try await admin.query(query).scalar == "t" { return }
            try await Task.sleep(for: .milliseconds(50))
        }
        let left = try await admin.query(
            """
            select concat(
                (select string_agg(to_jsonb(left_over)::text, ' ') from monitoring.deliveries as left_over),
                (select string_agg(to_jsonb(done)::text, ' ') from monitoring.delivery_attempts as done))
            """)
        Issue.record("\(what): \(left.scalar ?? "")")
    }

    func untilEmpty() async throws {
        try await until("deliveries are left", "select not exists (select from monitoring.deliveries)")
    }

    /// A header of a request as it was received.
    static func header(_ name: String, of request: String) -> String? {
        request.split(separator: "\r\n").first { $0.lowercased().hasPrefix("\(name): ") }
            .map { String($0.dropFirst(name.count + 2)) }
    }

    /// Its body.
    static func body(of request: String) -> String {
        request.firstRange(of: "\r\n\r\n").map { String(request[$0.upperBound...]) } ?? ""
    }
}
