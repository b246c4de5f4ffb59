import Runtime
import Testing

@testable import Exporter

/// Pages of single servers: which paths mean one, how many are kept, and what they are called outside.
@Suite struct ServerPagesTests {
    private static func key(_ server: String) -> PageKey { PageKey(server: server, format: .prometheus) }

    @Test(
        "a path means a server only when it holds a target's name",
        arguments: [
            ("/metrics/north", "north"), ("/metrics/a.b_c-1", "a.b_c-1"), ("/metrics/", nil), ("/metrics", nil),
            ("/metrics/a/b", nil), ("/metrics/A", nil), ("/metrics/%41", nil), ("/metrics/a b", nil),
            ("/metrics/" + String(repeating: "a", count: 63), String(repeating: "a", count: 63)),
            ("/metrics/" + String(repeating: "a", count: 64), nil),
        ])
    func paths(path: String, server: String?) { #expect(Routes.server(in: path) == server) }

    @Test("of many servers' pages only so many are kept, and none that somebody waits for is let go")
    func bounded() {
        let cache = PageCache(limit: 4) { _ in
            let flight = SingleFlight<MetricsPage>(lifetime: .seconds(60)) {}
            flight.finish(MetricsPageBuilder().finished())
            return flight
        }
        for number in 0..<100 {
            guard case .value = cache.answer(Self.key("s\(number)"), waitingUpTo: .seconds(30)) else {
                Issue.record("no page of s\(number)")
                continue
            }
        }
        #expect(cache.count == 4)
        let kept = cache.flight(Self.key("s99"))
        #expect(kept === cache.flight(Self.key("s99")))
    }

    @Test(
        "an external URL is read, and what is none is not",
        arguments: [
            ("http://a", "http", "a", ""), ("https://a.b:8443/", "https", "a.b:8443", ""),
            ("https://[::1]:1/p/q/", "https", "[::1]:1", "/p/q"),
        ])
    func externalURL(text: String, scheme: String, address: String, path: String) throws {
        let url = try #require(ExternalURL(text))
        #expect((url.scheme, url.address, url.path) == (scheme, address, path))
    }

    @Test(
        "what is no URL is refused",
        arguments: ["", "a", "ftp://a", "http:/a", "http://", "http://u@a", "http://a/?x", "http://a b"])
    func noURL(text: String) { #expect(ExternalURL(text) == nil) }
}
