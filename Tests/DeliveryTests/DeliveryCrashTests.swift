import EmbeddedPostgres
import Glibc
import Postgres
import Runtime
import Secrets
import Testing

@testable import Delivery
@testable import TestSupport

/// Servers and services that end in the middle of it.
@Suite struct DeliveryCrashTests {
    @Test("a database that is restarted in mid-batch, in order and as in a crash, costs no message")
    func restartedDatabase() async throws {
        try await Bench.withCluster { bench, cluster in
            try await HostileServer.with { exchange in
                while exchange.request() != nil {
                    usleep(10_000)
                    exchange.say("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
                }
            } _: { server in
                let id = try await bench.addEndpoint("ops", "http://127.0.0.1:\(server.port)/hook")
                try await bench.enqueue(id, 200)
                try await bench.serving {
                    for (seen, isCrash) in [(30, false), (100, true)] {
                        for _ in 0..<3000 where server.seen.withLock({ $0.count < seen }) {
                            try await Task.sleep(for: .milliseconds(10))
                        }
                        try await cluster.restart(immediate: isCrash)
                    }
                    let again = try await bench.reconnected()
                    try await again.untilEmpty()
                    await again.admin.close()
                }
                let ids = server.seen.withLock { $0.compactMap { Bench.header("webhook-id", of: $0) } }
                #expect(Set(ids).count == 200, "none is lost")
                #expect(ids.count <= 200 + 2 * 16, "and only what was on its way may come twice: \(ids.count)")
            }
        }
    }

    @Test(
        "row 75: killed at fifty seeded moments between claim, send and report, services lose no message, and what comes twice has the same id"
    )
    func killedServices() async throws {
        let seed = ProcessEnvironment.variables()["PGVIGIL_SEED"].flatMap { UInt64($0) } ?? 20_260_101
        try await Bench.with { bench in
            var chance = SplitMix(seed: seed)
            let moments = (1...50).map { _ in (seen: 1 + Int(chance.next() % 8), after: Int(chance.next() % 40_000)) }
            try await HostileServer.with { exchange in
                while let request = exchange.request() {
                    usleep(UInt32(truncatingIfNeeded: request.utf8.reduce(0) { $0 &* 31 &+ Int($1) } & 8191))
                    exchange.say("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
                }
            } _: { server in
                for name in ["a", "b", "c"] {
                    let url = "http://127.0.0.1:\(server.port)/\(name)"
                    _ = try await bench.addEndpoint(name, url, retries: 100)
                }
                for (life, moment) in moments.enumerated() {
                    try await bench.beginLife(messages: 8)
                    let service = try bench.startProcess(life + 1)
                    await service.kill(after: moment.after, server, seen: moment.seen)
                }
                try await bench.beginLife(messages: 1)
                let service = try bench.startProcess(51)
                try await bench.untilEmpty()
                service.child.signal(SIGKILL)
                _ = await service.child.wait()

                let requests = server.seen.withLock { $0 }
                var bodies: [String: Set<String>] = [:]
                for request in requests {
                    bodies[Bench.header("webhook-id", of: request) ?? "", default: []].insert(Bench.body(of: request))
                }
                let queued = try await bench.admin.query(
                    "select 'msg_' || replace(message_id::text, '-', '') from monitoring.outbox_messages"
                ).compactMap { $0[0] }
                #expect(queued.count == 50 * 8 + 1)
                #expect(Set(bodies.keys) == Set(queued), "seed \(seed): none is lost, and no other id came")
                #expect(bodies.values.allSatisfy { $0.count == 1 }, "seed \(seed): one id is one message")
                let repeats = requests.count - queued.count
                #expect(repeats > 0, "seed \(seed): no life ended between send and report")
                let ends = try await bench.admin.query(
                    """
                    select count(*) filter (where outcome = 'delivered') || ' '
                        || (count(*) filter (where outcome = 'unknown') >= $1::integer) || ' '
                        || count(*) filter (where outcome not in ('delivered', 'unknown'))
                    from monitoring.delivery_attempts
                    """, [String(repeats)])
                #expect(ends.scalar == "\(queued.count) true 0", "seed \(seed): each repeat is in the ledger")
            }
        }
    }
}

/// The delivery service as a process of its own.
private struct ServiceProcess {
    let child: ChildProcess

    /// Kills it so many microseconds after a server has seen so many more requests, on a thread of its own, since tasks
    /// wake late when tests keep both processors busy.
    func kill(after moment: Int, _ server: HostileServer, seen more: Int) async {
        let child = child
        let before = server.seen.withLock { $0.count }
        try? OSThread.start(name: "killer") {
            for _ in 0..<100_000 where child.ending == nil && server.seen.withLock({ $0.count }) < before + more {
                usleep(200)
            }
            usleep(UInt32(moment))
            child.signal(SIGKILL)
        }
        _ = await child.wait()
    }
}

extension Bench {
    /// Queues messages in turns of the endpoints, and ends the leases of services that are gone, as time would.
    fileprivate func beginLife(messages: Int) async throws {
        _ = try await admin.query(
            """
            select monitoring.send_webhook_notification(
                (select id from monitoring.webhook_endpoints order by endpoint_name offset n % 3 limit 1), 'alert.fired',
                jsonb_build_object('n', n))
            from generate_series(1, $1::integer) as n
            """, [String(messages)])
        _ = try await admin.query(
            "update monitoring.deliveries set lease_expires_at = clock_timestamp() where lease_instance_id is not null")
    }

    fileprivate func startProcess(_ number: Int) throws -> ServiceProcess {
        var path = [CChar](repeating: 0, count: 4096)
        let count = readlink("/proc/self/exe", &path, path.count - 1)
        let own = String(decoding: path.prefix(max(0, count)).map { UInt8(bitPattern: $0) }, as: UTF8.self)
        let folder = own.split(separator: "/").dropLast().joined(separator: "/")
        let instance = String(number)
        return ServiceProcess(
            child: try ChildProcess(
                [
                    "/\(folder)/delivery-process", database.cluster.conninfo(database: database.name, user: role),
                    "00000000-0000-4000-8000-" + String(repeating: "0", count: 12 - instance.count) + instance,
                ],
                environment: ProcessEnvironment.variables().merging(["PGVIGIL_KEY": key.text]) { $1 }, output: .null,
                errors: .null))
    }
}

/// A small generator of chance that a seed determines.
private struct SplitMix: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}
