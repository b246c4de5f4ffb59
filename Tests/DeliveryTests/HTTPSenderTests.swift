import Glibc
import Runtime
import Testing

@testable import Delivery

/// Requests to receivers that behave and to those that do not.
@Suite struct HTTPSenderTests {
    private static let loopback = [Network(bytes: [127, 0, 0, 0], prefix: 8)]

    private static func sender(caFile: String? = nil) throws -> HTTPSender {
        try HTTPSender(HTTPSender.Configuration(policy: AddressPolicy(allowing: loopback), caFile: caFile))
    }

    private static func failure(_ sender: HTTPSender, _ request: HTTPRequest) async -> HTTPFailure? {
        do throws(HTTPFailure) {
            _ = try await sender.send(request)
            return nil
        } catch {
            return error
        }
    }

    @Test("a request arrives as it was given, and its answer comes back with status, head and time")
    func plain() async throws {
        let sender = try Self.sender()
        try await HostileServer.with { exchange in
            while exchange.request() != nil {
                exchange.say("HTTP/1.1 202 Accepted\r\nRetry-After:  120 \r\nContent-Length: 5\r\n\r\nthere")
            }
        } _: { server in
            var request = HTTPRequest(
                url: server.url, headers: [("Content-Type", "application/json"), ("X-One", "1")], body: Array("{}".utf8)
            )
            request.keptBytes = 3
            for attempt in 0..<3 {
                let reply = try await sender.send(request)
                #expect(reply.status == 202)
                #expect(reply.retryAfter == "120")
                #expect(reply.head == Array("the".utf8))
                #expect(!reply.isCut)
                #expect(reply.address == "127.0.0.1")
                #expect(reply.connects == (attempt == 0 ? 1 : 0), "connections are kept")
                #expect(reply.total >= reply.answered && reply.answered >= reply.connected)
            }
            let seen = try #require(server.seen.withLock { $0.first })
            #expect(seen.hasPrefix("POST /hook?token=hidden HTTP/1.1\r\n"))
            #expect(seen.contains("\r\nContent-Type: application/json\r\n") && seen.contains("\r\nX-One: 1\r\n"))
            #expect(!seen.contains("Expect:") && !seen.contains("Accept-Encoding"))
            #expect(seen.hasSuffix("\r\n\r\n{}"))
        }
    }

    @Test("an internal address is refused before a socket is made, however it is written")
    func internalAddresses() async throws {
        let sender = try HTTPSender()
        let hosts = [
            "127.0.0.1", "localhost", "[::1]", "2130706433", "0x7f.1", "017700000001", "127.1", "[::ffff:127.0.0.1]",
            "[::ffff:7f00:1]", "169.254.169.254", "10.0.0.1", "192.168.1.1", "172.16.0.1", "100.64.0.1", "0.0.0.0",
            "[fe80::1]", "[fd00::1]", "[64:ff9b::7f00:1]", "[2002:7f00:1::]",
        ]
        try await HostileServer.with { exchange in
            _ = exchange.request()
        } _: { server in
            for host in hosts {
                let failure = await Self.failure(sender, HTTPRequest(url: "http://\(host):\(server.port)/"))
                #expect(failure?.kind == .forbiddenAddress, "\(host): \(String(describing: failure))")
            }
            #expect(server.seen.withLock { $0.isEmpty })
        }
    }

    @Test("schemes other than http and https, malformed URLs and line breaks in headers are refused unsent")
    func malformed() async throws {
        let sender = try Self.sender()
        for url in ["file:///etc/passwd", "gopher://127.0.0.1:1/", "ftp://127.0.0.1/", "http://", "http://a b/", ""] {
            let failure = await Self.failure(sender, HTTPRequest(url: url))
            #expect(failure?.kind == .malformed, "\(url): \(String(describing: failure))")
        }
        let header = await Self.failure(
            sender, HTTPRequest(url: "http://127.0.0.1:1/", headers: [("X-One", "1\r\nX-Two: 2")]))
        #expect(header?.kind == .malformed)
    }

    @Test("a redirect is an answer, and nobody follows it")
    func redirect() async throws {
        let sender = try Self.sender()
        try await HostileServer.with { exchange in
            while exchange.request() != nil {
                exchange.say(
                    "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:\(exchange.server.port)/other\r\n"
                        + "Content-Length: 0\r\n\r\n")
            }
        } _: { server in
            let reply = try await sender.send(HTTPRequest(url: server.url))
            #expect(reply.status == 302)
            #expect(server.seen.withLock { $0.count } == 1)
        }
    }

    @Test("of an endless answer the limit is read, its status counts, and the connection goes")
    func endless() async throws {
        let sender = try Self.sender()
        try await HostileServer.with { exchange in
            guard exchange.request() != nil else { return }
            exchange.say("HTTP/1.1 200 OK\r\nContent-Length: 10000000000\r\n\r\n")
            let block = String(repeating: "x", count: 65_536)
            while exchange.say(block) {}
        } _: { server in
            let reply = try await sender.send(HTTPRequest(url: server.url))
            #expect(reply.status == 200)
            #expect(reply.isCut)
            #expect(reply.head.count == 4096)
        }
    }

    @Test("endless headers end the request")
    func endlessHeaders() async throws {
        let sender = try Self.sender()
        try await HostileServer.with { exchange in
            guard exchange.request() != nil else { return }
            exchange.say("HTTP/1.1 200 OK\r\n")
            while exchange.say("X-Padding: \(String(repeating: "y", count: 1000))\r\n") {}
        } _: { server in
            #expect(await Self.failure(sender, HTTPRequest(url: server.url))?.kind == .broken)
        }
    }

    @Test("row 74: who hangs or trickles is left when the time is over, the whole of it")
    func slow() async throws {
        let sender = try Self.sender()
        try await HostileServer.with { exchange in
            guard let request = exchange.request() else { return }
            if request.contains("/trickle") {
                exchange.say("HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
                while exchange.say("x") { usleep(20_000) }
            } else {
                _ = exchange.request()
            }
        } _: { server in
            for path in ["/hang", "/trickle"] {
                let url = "http://127.0.0.1:\(server.port)\(path)"
                let request = HTTPRequest(url: url, timeout: .milliseconds(400))
                let failure = await Self.failure(sender, request)
                #expect(failure?.kind == .timedOut, "\(path): \(String(describing: failure))")
                #expect((failure?.total ?? .zero) >= .milliseconds(390))
            }
        }
    }

    @Test("one receiver that hangs holds up none of the others")
    func headOfLine() async throws {
        let sender = try Self.sender()
        try await HostileServer.with { exchange in
            _ = exchange.request()
            _ = exchange.request()
        } _: { hanging in
            try await HostileServer.with { exchange in
                while exchange.request() != nil { exchange.say("HTTP/1.1 204 No Content\r\n\r\n") }
            } _: { quick in
                try await withThrowingTaskGroup(of: HTTPFailure?.self) { group in
                    let stuck = HTTPRequest(url: hanging.url, timeout: .seconds(20))
                    for _ in 0..<10 { group.addTask { await Self.failure(sender, stuck) } }
                    for _ in 0..<100 {
                        let reply = try await sender.send(HTTPRequest(url: quick.url))
                        #expect(reply.status == 204)
                    }
                    group.cancelAll()
                    for try await failure in group { #expect(failure?.kind == .cancelled) }
                }
            }
        }
    }

    @Test("resets, garbage, nobody there and no such name each have their kind, and no message shows the URL")
    func broken() async throws {
        let sender = try Self.sender()
        try await HostileServer.with { exchange in
            guard let request = exchange.request() else { return }
            if request.contains("/garbage") { exchange.say("what do you want\r\n\r\n") }
        } _: { server in
            for path in ["/reset", "/garbage"] {
                let url = "http://user:hidden@127.0.0.1:\(server.port)\(path)?hidden"
                let failure = await Self.failure(sender, HTTPRequest(url: url))
                #expect(failure?.kind == .broken, "\(path): \(String(describing: failure))")
                #expect(failure?.description.contains("hidden") == false)
            }
        }
        let port = try HostileServer.freePort()
        #expect(await Self.failure(sender, HTTPRequest(url: "http://127.0.0.1:\(port)/"))?.kind == .unreachable)
        #expect(await Self.failure(sender, HTTPRequest(url: "http://no-such-name.invalid/"))?.kind == .unresolved)
    }

    @Test("TLS is verified: a receiver that shows no trusted certificate gets nothing")
    func unverified() async throws {
        let sender = try Self.sender()
        try await HostileServer.with { _ in
        } _: { server in
            let failure = await Self.failure(sender, HTTPRequest(url: "https://127.0.0.1:\(server.port)/"))
            #expect(failure?.kind == .tls)
        }
    }

    @Test("a closed sender finishes what is on its way and takes nothing more")
    func closing() async throws {
        let sender = try Self.sender()
        try await HostileServer.with { exchange in
            guard exchange.request() != nil else { return }
            usleep(100_000)
            exchange.say("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        } _: { server in
            async let reply = sender.send(HTTPRequest(url: server.url))
            while server.seen.withLock({ $0.isEmpty }) { try await Task.sleep(for: .milliseconds(5)) }
            sender.close()
            let status = try await reply.status
            #expect(status == 200)
            #expect(await Self.failure(sender, HTTPRequest(url: server.url))?.kind == .closed)
        }
    }
}
