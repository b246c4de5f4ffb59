import Glibc
import Runtime
import TestSupport
import Testing

@testable import Exporter

/// The server under clients of every kind, without a database.
@Suite struct HTTPServerTests {
    /// Runs `body` with a server whose `/metrics` is answered by `pages`.
    private func withServer(
        connections: Int = 64, scrapes: Int = 8, limits: ConnectionTable.Limits? = nil,
        pages: SingleFlight<MetricsPage> = Self.readyPage("m 1\n"), waitLimit: Duration = .seconds(20),
        _ body: (HTTPServer, HTTPMetrics) async throws -> Void
    ) async throws {
        let metrics = HTTPMetrics()
        let registry = MetricRegistry()
        registry.add(metrics)
        let readiness = SingleFlight<Readiness>(lifetime: .seconds(60)) {}
        readiness.finish(.notReady("the schema is at 0001"))
        let routes = Routes(
            pages: PageCache { _ in pages }, discovery: SingleFlight(lifetime: .zero) {}, readiness: readiness,
            metrics: metrics, registry: registry,
            scrapes: Slots(scrapes),
            waitLimit: waitLimit)
        let usual = ConnectionTable.Limits(
            firstRequest: .seconds(30), response: .seconds(30), nextRequest: .seconds(30))
        let server = try HTTPServer(
            socket: ListeningSocket(host: "127.0.0.1", port: 0),
            limits: .init(connections: connections, phases: limits ?? usual),
            handler: { routes.respond($0) },
            observer: { metrics.observe(path: $0, status: $1, seconds: $2.inSeconds) })
        do {
            try await body(server, metrics)
        } catch {
            try await onThread { server.stop() }
            throw error
        }
        try await onThread { server.stop() }
    }

    private static func readyPage(_ text: String) -> SingleFlight<MetricsPage> {
        let builder = MetricsPageBuilder()
        builder.add(text)
        let pages = SingleFlight<MetricsPage>(lifetime: .seconds(600)) {}
        pages.finish(builder.finished())
        return pages
    }

    /// A page that is far larger than what the kernel keeps for a connection.
    private static func largePage() -> SingleFlight<MetricsPage> {
        var generator = SystemRandomNumberGenerator()
        return readyPage((0..<300_000).map { "m{n=\"\($0)\"} \(generator.next())\n" }.joined())
    }

    @Test func pathsMethodsAndHeaders() async throws {
        try await withServer { server, _ in
            let port = server.port
            try await onThread {
                let connection = try HTTPTestConnection(port: port)
                let health = try connection.request("GET", "/healthz")
                #expect(health.status == 200 && health.text == "ok\n")
                let page = try connection.request("GET", "/metrics?x=1")
                #expect(page.status == 200 && page.text == "m 1\n")
                #expect(page.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8")
                #expect(page.headers["vary"] == "Accept, Accept-Encoding")
                #expect(page.headers["content-encoding"] == nil)
                let packed = try connection.request("GET", "/metrics", headers: ["Accept-Encoding: gzip"])
                #expect(packed.headers["content-encoding"] == "gzip" && packed.body.prefix(2) == [0x1f, 0x8b])
                let head = try connection.request("HEAD", "/metrics")
                #expect(head.status == 200 && head.headers["content-length"] == "4" && head.body.isEmpty)
                #expect(try connection.request("GET", "/nowhere").status == 404)
                #expect(try connection.request("GET", "/").text.contains("/metrics"))
                let ready = try connection.request("GET", "/readyz")
                #expect(ready.status == 503 && ready.text == "not ready: the schema is at 0001\n")
                let service = try connection.request("GET", "/metrics/service")
                #expect(try !ExpositionParser.parse(service.text).isEmpty)
            }
        }
    }

    @Test(arguments: ["POST", "PUT", "DELETE", "OPTIONS", "BREW"])
    func otherMethodsAreRefusedWithoutReadingTheirBody(method: String) async throws {
        try await withServer { server, _ in
            let port = server.port
            let reply = try await onThread {
                let connection = try HTTPTestConnection(port: port)
                connection.send("\(method) /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000000\r\n\r\n")
                return try connection.readReply()
            }
            #expect(reply.status == 405)
            #expect(reply.headers["allow"] == "GET, HEAD")
        }
    }

    @Test func longPathsHugeHeadersAndGarbageHarmNobody() async throws {
        try await withServer { server, _ in
            let port = server.port
            let statuses = try await onThread {
                let long = try HTTPTestConnection(port: port)
                    .request("GET", "/" + String(repeating: "x", count: 2000)).status
                let huge = try HTTPTestConnection(port: port)
                    .request("GET", "/healthz", headers: ["X: " + String(repeating: "x", count: 100_000)]).status
                for garbage in ["\u{0}\u{1}\u{2}\r\n\r\n", "GET\r\n\r\n", "\r\n\r\n\r\n", "GET / HTTP/9.9\r\n\r\n"] {
                    let connection = try HTTPTestConnection(port: port, timeout: .seconds(2))
                    connection.send(garbage)
                    _ = try? connection.receive()
                }
                return (long, huge)
            }
            #expect(statuses.0 == 414)
            #expect(statuses.1 == 431)
            #expect(try await HTTPTestClient.get("/healthz", port: port).status == 200)
        }
    }

    @Test func aClientThatDribblesItsHeadersIsClosed() async throws {
        let limits = ConnectionTable.Limits(
            firstRequest: .milliseconds(300), response: .seconds(30), nextRequest: .milliseconds(400))
        try await withServer(limits: limits) { server, _ in
            let port = server.port
            let (dribbling, idle) = try await onThread {
                let start = Monotonic.now()
                let connection = try HTTPTestConnection(port: port, timeout: .milliseconds(20))
                connection.send("GET /healthz HTTP/1.1\r\n")
                var isOpen = true
                while isOpen, Monotonic.now() - start < .seconds(10) {
                    connection.send("X")
                    if let bytes = try? connection.receive(), bytes.isEmpty { isOpen = false }
                }
                let dribbling = Monotonic.now() - start
                let kept = try HTTPTestConnection(port: port)
                _ = try kept.request("GET", "/healthz")
                let answered = Monotonic.now()
                _ = try kept.receive()
                return (dribbling, Monotonic.now() - answered)
            }
            #expect(dribbling >= .milliseconds(300) && dribbling < .seconds(10))
            #expect(idle >= .milliseconds(350) && idle < .seconds(10), "and one that sends no second request")
        }
    }

    @Test func aClientThatReadsTooSlowlyIsClosed() async throws {
        let limits = ConnectionTable.Limits(
            firstRequest: .seconds(30), response: .milliseconds(400), nextRequest: .seconds(30))
        try await withServer(limits: limits, pages: Self.largePage()) { server, _ in
            let port = server.port
            let total = try await onThread {
                let connection = try HTTPTestConnection(port: port)
                connection.send("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
                var total = try connection.receive(upTo: 1024).count
                usleep(1_500_000)
                while true {
                    let bytes = try connection.receive()
                    if bytes.isEmpty { return total }
                    total += bytes.count
                }
            }
            #expect(total > 0 && total < 5_000_000, "it got a part of the page only: \(total) bytes")
        }
    }

    @Test func healthIsAnsweredWhileEveryScrapeHangs() async throws {
        let hanging = SingleFlight<MetricsPage>(lifetime: .seconds(1)) {}
        try await withServer(scrapes: 4, pages: hanging) { server, _ in
            let port = server.port
            try await withThrowingTaskGroup(of: HTTPReply.self) { group in
                for _ in 0..<8 { group.addTask { try await HTTPTestClient.get("/metrics", port: port) } }
                // Four are refused at once, four wait.
                for _ in 0..<4 {
                    let refused = try #require(try await group.next())
                    #expect(refused.status == 503 && refused.text == "no metrics: too many scrapes at once\n")
                }
                let start = Monotonic.now()
                #expect(try await HTTPTestClient.get("/healthz", port: port).status == 200)
                #expect(Monotonic.now() - start < .seconds(15))
                hanging.fail("the database is not reachable")
                for try await reply in group {
                    #expect(reply.status == 503 && reply.text == "no metrics: the database is not reachable\n")
                    #expect(reply.headers["retry-after"] == "1")
                }
            }
        }
    }

    @Test func idleConnectionsWithoutEndDoNotKeepNewcomersOut() async throws {
        try await withServer(connections: 64) { server, _ in
            let port = server.port
            try await onThread {
                var idle: [HTTPTestConnection] = []
                for _ in 0..<200 {
                    let connection = try HTTPTestConnection(port: port)
                    connection.send("GET /healthz HTTP/1.1\r\nX-Slow: ")
                    idle.append(connection)
                    if idle.count.isMultiple(of: 20) {
                        #expect(Self.isAnswered(port), "after \(idle.count) idle connections")
                    }
                }
                #expect(idle.count == 200)
            }
            #expect(server.table.count <= 64)
        }
    }

    @Test(arguments: ["Content-Length: 1000000\r\n\r\nx", "Transfer-Encoding: chunked\r\n\r\n5\r\nx"])
    func requestsWithAnUnfinishedBodyDoNotKeepNewcomersOut(rest: String) async throws {
        try await withServer(connections: 64) { server, _ in
            let port = server.port
            try await onThread {
                let first = try HTTPTestConnection(port: port)
                first.send("GET /healthz HTTP/1.1\r\nHost: x\r\n\(rest)")
                #expect(try first.readReply().status == 413)
                #expect(try first.receive().isEmpty, "the connection is closed")
                var unfinished: [HTTPTestConnection] = []
                for _ in 0..<200 {
                    let connection = try HTTPTestConnection(port: port)
                    connection.send("HEAD /healthz HTTP/1.1\r\nHost: x\r\n\(rest)")
                    unfinished.append(connection)
                    if unfinished.count.isMultiple(of: 20) {
                        #expect(Self.isAnswered(port), "after \(unfinished.count) unfinished requests")
                    }
                }
                let empty = try HTTPTestConnection(port: port)
                #expect(try empty.request("GET", "/healthz", headers: ["Content-Length: 0"]).status == 200)
            }
        }
    }

    /// Whether a newcomer is answered soon; the threads of closed connections take a moment to give their places back.
    private static func isAnswered(_ port: UInt16) -> Bool {
        let deadline = Monotonic.now() + .seconds(10)
        while Monotonic.now() < deadline {
            if let reply = try? HTTPTestConnection(port: port).request("GET", "/healthz") { return reply.status == 200 }
            usleep(10_000)
        }
        return false
    }

    @Test func slowReadersLeavePlacesToOthers() async throws {
        try await withServer(connections: 64, scrapes: 4, pages: Self.largePage()) { server, metrics in
            let port = server.port
            let replies = try await onThread {
                let readers = try (0..<4).map { _ in
                    let connection = try HTTPTestConnection(port: port)
                    connection.shrinkReceiveBuffer()
                    connection.send("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
                    _ = try connection.receive(upTo: 100)
                    return connection
                }
                let fifth = try HTTPTestConnection(port: port).request("GET", "/metrics").status
                let health = try HTTPTestConnection(port: port).request("GET", "/healthz").status
                return (fifth, health, readers.count)
            }
            #expect(replies.0 == 503)
            #expect(replies.1 == 200)
            let refusals = metrics.metricFamilies().first { $0.name == "pgvigil_scrape_refusals_total" }
            #expect(refusals?.samples.first?.value == 1)
        }
    }

    @Test func stoppingTakesMillisecondsAndLeavesThePortFree() async throws {
        let socket = try ListeningSocket(host: "127.0.0.1", port: 0)
        let port = socket.port
        let server = try HTTPServer(
            socket: socket,
            limits: .init(
                connections: 8,
                phases: .init(firstRequest: .seconds(60), response: .seconds(60), nextRequest: .seconds(60))),
            handler: { _ in .text(200, "ok") }, observer: { _, _, _ in })
        let taken = #expect(throws: ListenFailure.self) { try ListeningSocket(host: "127.0.0.1", port: port) }
        #expect(taken?.isPortTaken == true)
        #expect(taken?.description == "cannot listen on 127.0.0.1:\(port): Address already in use")
        let time = try await onThread {
            let idle = try HTTPTestConnection(port: port)
            _ = try idle.request("GET", "/")
            let start = Monotonic.now()
            server.stop()
            return Monotonic.now() - start
        }
        #expect(time < .seconds(20), "sooner than the idle client's own limit")
        #expect(fcntl(socket.descriptor, F_GETFD) >= 0, "the listening socket is still ours to close")
    }

    @Test func namesThatDoNotResolveAreToldApartFromTakenPorts() {
        let fault = #expect(throws: ListenFailure.self) {
            try ListeningSocket(host: "no-such-host.invalid", port: 9877)
        }
        #expect(fault?.isPortTaken == false)
        #expect(fault?.description.hasPrefix("cannot listen on no-such-host.invalid:9877: ") == true)
    }
}
