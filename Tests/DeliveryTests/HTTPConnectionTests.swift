import Glibc
import Runtime
import Testing

@testable import Delivery

/// Kept connections that break, and names whose addresses change.
@Suite struct HTTPConnectionTests {
    private static func sender(_ networks: [String] = ["127.0.0.0/8"]) throws -> HTTPSender {
        try HTTPSender(.init(policy: AddressPolicy(allowing: networks.compactMap { Network($0) })))
    }

    private static func failure(_ sender: HTTPSender, _ request: HTTPRequest) async -> HTTPFailure? {
        do throws(HTTPFailure) {
            _ = try await sender.send(request)
            return nil
        } catch {
            return error
        }
    }

    @Test(
        "one attempt is one request, also where a kept connection ends before an answer",
        arguments: ["/closed", "/reset"])
    func once(_ path: String) async throws {
        let sender = try Self.sender()
        let width = 6
        try await HostileServer.with { exchange in
            while let request = exchange.request() {
                if request.contains(path) {
                    if path == "/reset" { exchange.reset() }
                    return
                }
                // All at once, so that each gets a connection of its own.
                exchange.waitUntilSeen(width)
                exchange.say("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
            }
        } _: { server in
            try await withThrowingTaskGroup(of: Int.self) { group in
                for _ in 0..<width { group.addTask { try await sender.send(HTTPRequest(url: server.url)).status } }
                for try await status in group { #expect(status == 200) }
            }
            let body = Array("{}".utf8)
            let broken = HTTPRequest(url: "http://127.0.0.1:\(server.port)\(path)", body: body)
            let failure = await Self.failure(sender, broken)
            #expect(failure?.kind == .broken)
            #expect(failure?.message == "the connection was closed before an answer came")
            #expect(server.seen.withLock { $0.filter { $0.contains(path) }.count } == 1)
            let next = try await sender.send(HTTPRequest(url: server.url))
            #expect(next.status == 200, "the others are used again")
        }
    }

    @Test("requests that hang at a host do not hold up another to the same host, as two receivers in one chat")
    func sharedHost() async throws {
        let sender = try Self.sender()
        try await HostileServer.with { exchange in
            while let request = exchange.request(), !request.contains("/hang") {
                exchange.say("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
            }
            _ = exchange.request()
        } _: { server in
            let hanging = HTTPRequest(url: "http://127.0.0.1:\(server.port)/hang", timeout: .seconds(60))
            try await withThrowingTaskGroup(of: HTTPFailure?.self) { group in
                for _ in 0..<40 { group.addTask { await Self.failure(sender, hanging) } }
                while server.seen.withLock({ $0.count < 16 }) { try await Task.sleep(for: .milliseconds(5)) }
                #expect(try await sender.send(HTTPRequest(url: server.url, timeout: .seconds(30))).status == 200)
                group.cancelAll()
                for try await failure in group { #expect(failure?.kind == .cancelled) }
            }
        }
    }

    @Test("a name is judged by the address that is dialled for it, each time it is dialled")
    func rebinding() async throws {
        let sender = try Self.sender(["127.0.0.1/32"])
        try await HostileServer.with { exchange in
            if exchange.request() != nil {
                exchange.say("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
            }
        } _: { server in
            let name = "rebound.example:\(server.port)"
            var request = HTTPRequest(url: "http://\(name)/")
            request.answers = ["\(name):127.0.0.1"]
            #expect(try await sender.send(request).status == 200)
            // The name server now answers with an internal address.
            for address in ["127.0.0.2", "169.254.169.254", "10.0.0.1", "[::1]"] {
                request.answers = ["\(name):\(address)"]
                #expect(await Self.failure(sender, request)?.kind == .forbiddenAddress, "\(address)")
            }
            #expect(server.seen.withLock { $0.count } == 1)
            request.answers = ["\(name):127.0.0.2,127.0.0.1"]
            let reply = try await sender.send(request)
            #expect(reply.address == "127.0.0.1", "of several addresses, one that is open is taken")
        }
    }

    @Test("what is compressed is kept as it came, not unfolded")
    func compressed() async throws {
        let sender = try Self.sender()
        try await HostileServer.with { exchange in
            while exchange.request() != nil {
                exchange.say("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nbomb")
            }
        } _: { server in
            let reply = try await sender.send(HTTPRequest(url: server.url))
            #expect(reply.head == Array("bomb".utf8))
        }
    }
}
