import Glibc
import Runtime

/// A server on a free port of the loopback address that answers every connection by a script.
final class HostileServer: Sendable {
    /// What it does on one connection; the socket is closed when it returns.
    typealias Script = @Sendable (Exchange) -> Void

    /// One connection.
    struct Exchange: Sendable {
        let socket: Int32
        let server: HostileServer

        /// Reads one request with its body; nil when the client is gone.
        func request() -> String? {
            var bytes: [UInt8] = []
            var chunk = [UInt8](repeating: 0, count: 65_536)
            while true {
                let text = String(decoding: bytes, as: UTF8.self)
                if let end = text.firstRange(of: "\r\n\r\n") {
                    let length =
                        text.split(separator: "\r\n")
                        .first { $0.lowercased().hasPrefix("content-length:") }
                        .flatMap { $0.split(separator: " ").last.flatMap { Int($0) } } ?? 0
                    if text[end.upperBound...].utf8.count >= length {
                        server.seen.withLock { $0.append(text) }
                        return text
                    }
                }
                let count = recv(socket, &chunk, chunk.count, 0)
                guard count > 0 else { return nil }
                bytes += chunk.prefix(count)
            }
        }

        /// Whether all of it went out.
        @discardableResult
        func say(_ text: String) -> Bool {
            let bytes = Array(text.utf8)
            return send(socket, bytes, bytes.count, Int32(MSG_NOSIGNAL)) == bytes.count
        }

        /// Ends the connection by a reset.
        func reset() {
            var nowhere = sockaddr()
            nowhere.sa_family = sa_family_t(AF_UNSPEC)
            connect(socket, &nowhere, socklen_t(MemoryLayout<sockaddr>.size))
        }

        /// Waits until the server has seen so many requests.
        func waitUntilSeen(_ count: Int) {
            while server.seen.withLock({ $0.count < count }) { usleep(1000) }
        }
    }

    let port: UInt16
    let seen = Lock<[String]>([])
    private let listener: Int32
    private let script: Script

    init(_ script: @escaping Script) throws {
        self.script = script
        listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        var size = socklen_t(MemoryLayout<sockaddr_in>.size)
        let listener = listener
        let bound = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { raw in
                bind(listener, raw, size) == 0 && listen(listener, 128) == 0 && getsockname(listener, raw, &size) == 0
            }
        }
        guard bound else { throw Unbound() }
        port = UInt16(bigEndian: address.sin_port)
    }

    struct Unbound: Error {}

    /// A port on which nobody listens any more.
    static func freePort() throws -> UInt16 {
        let server = try HostileServer { _ in }
        close(server.listener)
        return server.port
    }

    var url: String { "http://127.0.0.1:\(port)/hook?token=hidden" }

    /// Serves while the body runs.
    static func with<R: Sendable>(
        _ script: @escaping Script, _ body: (HostileServer) async throws -> R
    ) async throws -> R {
        let server = try HostileServer(script)
        try OSThread.start(name: "hostile") { server.accept() }
        defer { shutdown(server.listener, Int32(SHUT_RDWR)) }
        return try await body(server)
    }

    private func accept() {
        while true {
            let socket = Glibc.accept(listener, nil, nil)
            guard socket >= 0 else { break }
            let exchange = Exchange(socket: socket, server: self)
            let script = script
            try? OSThread.start(name: "hostile-one") {
                script(exchange)
                // A process that another test started meanwhile may have the socket too: closing alone ends nothing.
                shutdown(socket, Int32(SHUT_RDWR))
                close(socket)
            }
        }
        close(listener)
    }
}
