import Glibc
import Testing

@testable import Postgres

@Suite struct KeepAliveTests {
    @Test func `a dead network shows within a minute unless the user decided otherwise`() throws {
        let socket = Glibc.socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        try #require(socket >= 0)
        defer { close(socket) }
        ConnectionOptions(values: ["keepalives_idle": "7"]).keepAlive(socket: socket)
        #expect(option(socket, TCP_KEEPIDLE) == 7200, "the user's own setting is libpq's business")
        #expect(option(socket, TCP_KEEPINTVL) == 10)
        #expect(option(socket, TCP_KEEPCNT) == 3)
        #expect(option(socket, TCP_USER_TIMEOUT) == 60_000)
    }

    @Test(arguments: [("0", Duration.seconds(366 * 86_400)), ("1", .seconds(2)), ("7", .seconds(7))])
    func `the user's connect_timeout is read as libpq reads it`(text: String, expected: Duration) {
        #expect(ConnectionOptions(values: ["connect_timeout": text]).connectTimeout == expected)
        #expect(ConnectionOptions(values: [:]).connectTimeout == nil)
    }

    private func option(_ socket: Int32, _ name: Int32) -> Int32 {
        var value: Int32 = 0
        var length = socklen_t(MemoryLayout<Int32>.size)
        getsockopt(socket, Int32(IPPROTO_TCP), name, &value, &length)
        return value
    }
}
