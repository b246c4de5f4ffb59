import Glibc
import Postgres
import Runtime
import Testing

@testable import Delivery
@testable import TestSupport

/// Receivers that misbehave, beside one that does not.
@Suite struct HostileReceiverTests {
    /// What each does by the path of its URL, and how that is entered.
    private static let ways: [(path: String, end: String)] = [
        ("/hang", "dead timed_out"), ("/trickle", "dead timed_out"), ("/huge", "delivered 200"),
        ("/headers", "dead broken"), ("/garbage", "dead broken"), ("/reset", "dead broken"), ("/close", "dead broken"),
        ("/redirect", "dead 302"), ("/bomb", "delivered 200"), ("/zeros", "delivered 200"),
    ]

    private static let misbehave: HostileServer.Script = { exchange in
        guard let request = exchange.request() else { return }
        let path = request.split(separator: " ").dropFirst().first ?? ""
        let block = String(repeating: "x", count: 65_536)
        switch path {
        case "/hang":
            _ = exchange.request()
        case "/trickle":
            exchange.say("HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
            while exchange.say("x") { usleep(20_000) }
        case "/huge":
            exchange.say("HTTP/1.1 200 OK\r\nContent-Length: 10000000000\r\n\r\n")
            while exchange.say(block) {}
        case "/headers":
            exchange.say("HTTP/1.1 200 OK\r\n")
            while exchange.say("X-Padding: \(block)\r\n") {}
        case "/garbage":
            exchange.say("what do you want\r\n\r\n")
        case "/reset":
            exchange.reset()
        case "/redirect":
            exchange.say(
                "HTTP/1.1 302 Found\r\nLocation: http://169.254.169.254/latest\r\nContent-Length: 0\r\n\r\n")
        case "/bomb":
            exchange.say("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n")
            while exchange.say("10000\r\n\(block)\r\n") {}
        case "/zeros":
            exchange.say("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n\0\u{1}\0\u{2}")
        default:
            break
        }
    }

    @Test("whatever a receiver does has its name in the ledger, is one request, and holds up nobody else")
    func ways() async throws {
        try await Bench.with { bench in
            try await HostileServer.with(Self.misbehave) { hostile in
                try await HostileServer.with { exchange in
                    while exchange.request() != nil { exchange.say("HTTP/1.1 204 No Content\r\n\r\n") }
                } _: { good in
                    for (path, _) in Self.ways {
                        let url = "http://127.0.0.1:\(hostile.port)\(path)"
                        try await bench.enqueue(try await bench.addEndpoint(path, url, retries: 0))
                    }
                    // Long enough for a hundred messages on a busy machine.
                    _ = try await bench.admin.query("update monitoring.webhook_endpoints set timeout = '6s'")
                    let id = try await bench.addEndpoint("good", "http://127.0.0.1:\(good.port)/")
                    try await bench.enqueue(id, 100)
                    try await bench.serving { try await bench.untilEmpty() }
                }
                #expect(hostile.seen.withLock { $0.count } == Self.ways.count, "one request each")
            }
            let ends = try await bench.admin.query(
                """
                select endpoint.endpoint_name || ' ' || string_agg(distinct attempt.outcome || ' '
                        || coalesce(attempt.status_code::text, attempt.error_class), ', ') || ' ' || count(*)
                from monitoring.delivery_attempts as attempt
                inner join monitoring.webhook_endpoints as endpoint on endpoint.id = attempt.destination_id
                group by endpoint.endpoint_name
                """)
            let expected = Self.ways.map { "\($0.path) \($0.end) 1" } + ["good delivered 204 100"]
            #expect(Set(ends.compactMap { $0[0] }) == Set(expected))
            let late = try await bench.admin.query(
                """
                select max(good.finished_at) < min(slow.finished_at)
                from monitoring.delivery_attempts as good, monitoring.delivery_attempts as slow
                where good.status_code = 204 and slow.error_class = 'timed_out'
                """)
            #expect(late.scalar == "t", "all that is well had arrived before the first that hangs was left")
        }
    }

    @Test("who is asked to wait waits: seconds, dates, what is past, absurd or neither")
    func retryAfter() async throws {
        try await Bench.with { bench in
            let date = try await bench.admin.query(
                """
                select to_char(timezone('UTC', clock_timestamp()) + wait, 'Dy, DD Mon YYYY HH24:MI:SS "GMT"')
                from unnest(array['20 min', '-20 min']::interval[]) as wait
                """
            ).compactMap { $0[0] }
            let forms: [(header: String, least: Int, most: Int)] = [
                ("300", 299, 301), (date[0], 1000, 1201), (date[1], 59, 61), ("99999999999", 3599, 3601),
                ("-300", 59, 61), ("in a while", 59, 61), ("", 59, 61),
            ]
            try await HostileServer.with { exchange in
                while let request = exchange.request() {
                    let form = request.firstRange(of: "/form/").flatMap { Int(request[$0.upperBound...].prefix(1)) }
                    exchange.say(
                        "HTTP/1.1 429 Too Many Requests\r\nRetry-After: \(forms[form ?? 0].header)\r\n"
                            + "Content-Length: 0\r\n\r\n")
                }
            } _: { server in
                for number in forms.indices {
                    let url = "http://127.0.0.1:\(server.port)/form/\(number)"
                    try await bench.enqueue(try await bench.addEndpoint(String(number), url))
                }
                try await bench.serving {
                    try await bench.until(
                        "not all were tried", "select count(*) = \(forms.count) from monitoring.delivery_attempts")
                }
                let waits = try await bench.admin.query(
                    """
                    select endpoint.endpoint_name as form,
                        extract(epoch from delivery.due_at - attempt.finished_at)::float8 as wait
                    from monitoring.deliveries as delivery
                    inner join monitoring.delivery_attempts as attempt using (delivery_id)
                    inner join monitoring.webhook_endpoints as endpoint on endpoint.id = delivery.destination_id
                    """)
                for row in waits {
                    let form = forms[try row.decode("form", as: Int.self)]
                    let wait = try row.decode("wait", as: Double.self)
                    #expect(
                        (Double(form.least)...Double(form.most)).contains(wait), "\(form.header): waits \(wait) s")
                }
                #expect(waits.count == forms.count)
            }
        }
    }

    @Test("a receiver that comes back gets one message, then two, then more; all arrive, in the order of their keys")
    func revival() async throws {
        try await Bench.with { bench in
            let isDown = Lock(true)
            let width = Lock((now: 0, inTurn: [Int]()))
            try await HostileServer.with { exchange in
                while exchange.request() != nil {
                    guard !isDown.withLock({ $0 }) else {
                        exchange.say("HTTP/1.1 503 Down\r\nContent-Length: 0\r\n\r\n")
                        continue
                    }
                    width.withLock { width in
                        width.now += 1
                        width.inTurn.append(width.now)
                    }
                    usleep(5000)
                    width.withLock { $0.now -= 1 }
                    exchange.say("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
                }
            } _: { server in
                let id = try await bench.addEndpoint("ops", "http://127.0.0.1:\(server.port)/", retries: 100)
                try await bench.enqueue(id, 300)
                _ = try await bench.admin.query(
                    """
                    update monitoring.deliveries as delivery
                    set ordering_hash = (message.body::jsonb #>> '{data,n}')::integer % 30
                    from monitoring.outbox_messages as message where message.message_id = delivery.message_id
                    """)
                try await bench.serving {
                    try await bench.until(
                        "it is not left alone",
                        "select breaker <> 'closed' and consecutive_failures > 7 from monitoring.destination_states")
                    isDown.withLock { $0 = false }
                    try await bench.untilEmpty()
                }
                let widths = width.withLock { $0.inTurn }
                #expect(widths.count == 300, "each arrives once")
                #expect(widths.first == 1 && widths.prefix(3).allSatisfy { $0 <= 2 }, "\(widths.prefix(10))")
                let refused = server.seen.withLock { $0.count } - widths.count
                #expect(refused < 40, "while it was down it was asked \(refused) times")
                let ordered = try await bench.admin.query(
                    """
                    select bool_and(is_in_order) from (
                        select lag(attempt.delivery_id) over arrived is null
                            or lag(attempt.delivery_id) over arrived < attempt.delivery_id as is_in_order
                        from monitoring.delivery_attempts as attempt
                        inner join monitoring.outbox_messages as message using (message_id)
                        where attempt.outcome = 'delivered'
                        window arrived as (
                            partition by (message.body::jsonb #>> '{data,n}')::integer % 30
                            order by attempt.finished_at, attempt.delivery_id)
                    ) as turn
                    """)
                #expect(ordered.scalar == "t")
            }
        }
    }
}
