import EmbeddedPostgres
import Glibc
import Postgres
import Runtime
import Secrets
import Testing

@testable import Delivery
@testable import TestSupport

/// Messages of the store on their way to receivers, and what becomes of them.
@Suite struct DeliveryServiceTests {
    @Test("row 74: a message arrives once, signed over the very bytes that were sent, and its end is in the ledger")
    func delivered() async throws {
        try await Bench.with { bench in
            try await HostileServer.with { exchange in
                while exchange.request() != nil { exchange.say("HTTP/1.1 204 No Content\r\n\r\n") }
            } _: { server in
                let id = try await bench.addEndpoint("ops", "http://127.0.0.1:\(server.port)/hook")
                try await bench.serving {
                    try await bench.enqueue(id)
                    try await bench.untilEmpty()
                }
                let request = try #require(server.seen.withLock { $0.first })
                #expect(server.seen.withLock { $0.count } == 1)
                let key = try #require(WebhookSignature.Key(Bench.secret.utf8))
                let expected = WebhookSignature.headers(
                    id: Bench.header("webhook-id", of: request) ?? "",
                    timestamp: Int64(Bench.header("webhook-timestamp", of: request) ?? "") ?? 0,
                    body: Array(Bench.body(of: request).utf8), keys: [key])
                #expect(Bench.header("webhook-signature", of: request) == expected.last?.value)
                #expect(Bench.header("content-type", of: request) == "application/json")
                let ends = try await bench.admin.query(
                    """
                    select outcome || status_code || (select total_calls || '/' || successful_calls
                        from monitoring.webhook_endpoints) from monitoring.delivery_attempts
                    """)
                #expect(ends.map { $0[0] } == ["delivered2041/1"])
            }
        }
    }

    @Test("row 74: a receiver that fails gets the same message again under the same id, and then it is a dead letter")
    func dead() async throws {
        try await Bench.with { bench in
            try await HostileServer.with { exchange in
                while exchange.request() != nil {
                    exchange.say("HTTP/1.1 500 Oops\r\nContent-Length: 4\r\n\r\nwhy?")
                }
            } _: { server in
                let id = try await bench.addEndpoint("ops", "http://127.0.0.1:\(server.port)/hook", retries: 2)
                try await bench.serving {
                    try await bench.enqueue(id)
                    try await bench.until("no dead letter", "select exists (select from monitoring.dead_letters)")
                }
                let ids = server.seen.withLock { $0.map { Bench.header("webhook-id", of: $0) } }
                #expect(ids.count == 3, "the first attempt and two more")
                #expect(Set(ids).count == 1)
                let last = try await bench.admin.query(
                    "select attempts || ' ' || status_code from monitoring.dead_letters")
                #expect(last.scalar == "3 500")
            }
        }
    }

    @Test("a message that a killed service held is sent again under the same id once its lease is over")
    func killed() async throws {
        try await Bench.with { bench in
            try await HostileServer.with { exchange in
                while exchange.request() != nil { exchange.say("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n") }
            } _: { server in
                let id = try await bench.addEndpoint("ops", "http://127.0.0.1:\(server.port)/hook")
                try await bench.enqueue(id)
                // What a service does that is killed right after it has claimed, or sent.
                let held = try await bench.admin.query(
                    """
                    select message_id, delivery_id, fence
                    from monitoring_internal.claim_deliveries('00000000-0000-4000-8000-0000000000ff', 10)
                    """
                ).single()
                try await bench.serving { try await bench.untilEmpty() }
                let ids = server.seen.withLock { $0.map { Bench.header("webhook-id", of: $0) } }
                #expect(ids == [held["message_id"]])
                let late = try await bench.admin.query(
                    """
                    select monitoring_internal.ack_deliveries('00000000-0000-4000-8000-0000000000ff', array[$1::bigint],
                        array[$2::bigint], '{500}', '{NULL}', '{NULL}', '{NULL}', '{0}')
                    """, [held["delivery_id"], held["fence"]])
                #expect(late.scalar == "0", "and what it says afterwards is not believed")
            }
        }
    }

    @Test(
        "row 76: an internal address is not dialled, whatever the table says, unless the service's own options allow it"
    )
    func internalAddress() async throws {
        try await Bench.with { bench in
            try await HostileServer.with { exchange in
                while exchange.request() != nil { exchange.say("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n") }
            } _: { server in
                let id = try await bench.addEndpoint("inner", "http://127.0.0.1:\(server.port)/hook")
                try await bench.serving(allowing: []) {
                    try await bench.enqueue(id)
                    try await bench.until(
                        "not refused",
                        """
                        select exists (
                            select from monitoring.delivery_attempts where error_class = 'forbidden_address')
                        """)
                }
                #expect(server.seen.withLock { $0.isEmpty })
            }
        }
    }

    @Test("a secret that does not open, since its URL was changed in the table, is never used")
    func redirected() async throws {
        try await Bench.with { bench in
            try await HostileServer.with { exchange in
                while exchange.request() != nil { exchange.say("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n") }
            } _: { server in
                let id = try await bench.addEndpoint("ops", "http://127.0.0.1:\(server.port)/hook")
                _ = try await bench.admin.query(
                    "update monitoring.webhook_endpoints set webhook_url = $1",
                    ["http://127.0.0.1:\(server.port)/elsewhere"])
                try await bench.serving {
                    try await bench.enqueue(id)
                    try await bench.until(
                        "the secret was used",
                        "select exists (select from monitoring.delivery_attempts where error_class = 'secret')")
                }
                #expect(server.seen.withLock { $0.isEmpty })
            }
        }
    }

    @Test(
        "two services share the work, each message goes out once, and one stuck receiver holds up no other",
        arguments: [2, 3])
    func shared(_ services: Int) async throws {
        try await Bench.with { bench in
            try await HostileServer.with { exchange in
                _ = exchange.request()
                _ = exchange.request()
            } _: { stuck in
                try await HostileServer.with { exchange in
                    while exchange.request() != nil { exchange.say("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n") }
                } _: { quick in
                    let hanging = try await bench.addEndpoint("stuck", "http://127.0.0.1:\(stuck.port)/")
                    let id = try await bench.addEndpoint("quick", "http://127.0.0.1:\(quick.port)/")
                    try await bench.enqueue(hanging, 40)
                    try await bench.serving(services) {
                        for _ in 0..<600 where stuck.seen.withLock({ $0.isEmpty }) {
                            try await Task.sleep(for: .milliseconds(10))
                        }
                        // E-01: while a receiver hangs, no transaction of the service's waits for it.
                        try await bench.until(
                            "a transaction is open beside a request",
                            """
                            select count(*) > 0 and bool_and(xact_start is null) from pg_stat_activity
                            where usename = '\(bench.role)'
                            """)
                        try await bench.enqueue(id, 300)
                        try await bench.until(
                            "not all arrived",
                            """
                            select count(*) = 300 from monitoring.delivery_attempts
                            where destination_id = '\(id)' and outcome = 'delivered'
                            """)
                    }
                    let ids = quick.seen.withLock { $0.compactMap { Bench.header("webhook-id", of: $0) } }
                    #expect(ids.count == 300)
                    #expect(Set(ids).count == 300)
                }
            }
        }
    }

    @Test("a service that is told to stop finishes what it has begun, and gives back the rest")
    func drained() async throws {
        try await Bench.with { bench in
            try await HostileServer.with { exchange in
                while exchange.request() != nil {
                    usleep(200_000)
                    exchange.say("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
                }
            } _: { server in
                let id = try await bench.addEndpoint("ops", "http://127.0.0.1:\(server.port)/hook")
                try await bench.enqueue(id, 50)
                try await bench.serving {
                    for _ in 0..<600 where server.seen.withLock({ $0.isEmpty }) {
                        try await Task.sleep(for: .milliseconds(10))
                    }
                }
                let left = try await bench.admin.query(
                    """
                    select (select count(*) from monitoring.deliveries where lease_expires_at is not null) || ' '
                        || (select count(*) from monitoring.deliveries)
                            + (select count(*) from monitoring.delivery_attempts where outcome = 'delivered')
                    """)
                #expect(left.scalar == "0 50", "nothing is leased, nothing is lost")
            }
        }
    }

    @Test("sessions that break in between lose nothing")
    func brokenSessions() async throws {
        try await Bench.with { bench in
            try await HostileServer.with { exchange in
                while exchange.request() != nil { exchange.say("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n") }
            } _: { server in
                let id = try await bench.addEndpoint("ops", "http://127.0.0.1:\(server.port)/hook")
                try await bench.serving {
                    for round in 1...5 {
                        try await bench.enqueue(id, 20)
                        _ = try await bench.admin.query(
                            "select pg_terminate_backend(pid) from pg_stat_activity where usename = $1", [bench.role])
                        try await bench.until(
                            "round \(round)",
                            """
                            select count(distinct message_id) = \(round * 20) from monitoring.delivery_attempts
                            where outcome = 'delivered'
                            """
                        )
                    }
                }
                let ids = server.seen.withLock { Set($0.compactMap { Bench.header("webhook-id", of: $0) }) }
                #expect(ids.count == 100)
            }
        }
    }
}
