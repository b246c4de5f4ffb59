import Glibc
import Runtime

/// What an HTTP server answered.
package struct HTTPReply: Sendable {
    /// The status code.
    package let status: Int
    /// Headers by lower-case name.
    package let headers: [String: String]
    /// The body, chunks joined.
    package let body: [UInt8]

    /// The body as text.
    package var text: String { String(decoding: body, as: UTF8.self) }
}

/// A plain TCP connection to a port of this machine, blocking: use it inside `onThread`.
package final class HTTPTestConnection: @unchecked Sendable {  // Proof: the descriptor never changes; one thread reads.
    /// Why there is no answer.
    package struct Failure: Error, CustomStringConvertible {
        /// What happened.
        package let description: String
    }

    private let descriptor: Int32
    private var unread: [UInt8] = []

    /// Connects; every read gives up after `timeout`.
    package init(port: UInt16, timeout: Duration = .seconds(20)) throws {
        descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        let milliseconds = timeout.millisecondsRoundedUp
        var limit = timeval(tv_sec: Int(milliseconds / 1000), tv_usec: Int(milliseconds % 1000) * 1000)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
        setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        let code = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard code == 0 else {
            let reason = String(cString: strerror(errno))
            close(descriptor)
            throw Failure(description: "connect: \(reason)")
        }
    }

    deinit { close(descriptor) }

    /// Makes the kernel keep little for us, so that the server meets a slow reader early.
    package func shrinkReceiveBuffer() {
        var size: Int32 = 2048
        setsockopt(descriptor, SOL_SOCKET, SO_RCVBUF, &size, socklen_t(MemoryLayout<Int32>.size))
    }

    /// Sends all bytes; false when the server has closed the connection.
    @discardableResult
    package func send(_ text: String) -> Bool {
        let bytes = Array(text.utf8)
        var offset = 0
        while offset < bytes.count {
            let count = bytes.withUnsafeBytes {
                Glibc.send(
                    descriptor, $0.baseAddress.map { $0 + offset }, bytes.count - offset, Int32(MSG_NOSIGNAL))
            }
            guard count > 0 else { return false }
            offset += count
        }
        return true
    }

    /// The next bytes; empty when the server closed the connection.
    ///
    /// - Throws: `Failure` when nothing came in time.
    package func receive(upTo count: Int = 65536) throws -> [UInt8] {
        if !unread.isEmpty {
            defer { unread = [] }
            return unread
        }
        var buffer = [UInt8](repeating: 0, count: count)
        let received = recv(descriptor, &buffer, count, 0)
        if received < 0, errno == EAGAIN || errno == EWOULDBLOCK { throw Failure(description: "no answer in time") }
        return received <= 0 ? [] : Array(buffer[..<received])
    }

    /// Sends a request and reads its reply.
    package func request(_ method: String, _ path: String, headers: [String] = []) throws -> HTTPReply {
        let lines = ["\(method) \(path) HTTP/1.1", "Host: localhost"] + headers
        send(lines.joined(separator: "\r\n") + "\r\n\r\n")
        return try readReply(hasBody: method != "HEAD")
    }

    /// Reads one reply.
    package func readReply(hasBody: Bool = true) throws -> HTTPReply {
        var bytes: [UInt8] = []
        var end: Int?
        while end == nil {
            let more = try receive()
            guard !more.isEmpty else { throw Failure(description: "closed before the headers' end") }
            bytes += more
            end = Self.headerEnd(bytes)
        }
        let headerEnd = end ?? 0
        let lines = String(decoding: bytes[..<headerEnd], as: UTF8.self).split(separator: "\r\n")
        var headers: [String: String] = [:]
        for line in lines.dropFirst() {
            guard let colon = line.firstIndex(of: ":") else { continue }
            let value = line[line.index(after: colon)...].drop { $0 == " " }
            headers[line[..<colon].lowercased()] = String(value)
        }
        let words = lines.first?.split(separator: " ") ?? []
        guard words.count > 1, let status = Int(words[1]) else { throw Failure(description: "no status line") }
        var body = Array(bytes[(headerEnd + 4)...])
        let length = hasBody ? headers["content-length"].flatMap { Int($0) } : 0
        while length == nil || body.count < length ?? 0 {
            let more = try receive()
            if more.isEmpty {
                guard length == nil else { throw Failure(description: "closed before the body's end") }
                break
            }
            body += more
        }
        if let length, body.count > length {
            unread = Array(body[length...])
            body.removeSubrange(length...)
        }
        return HTTPReply(status: status, headers: headers, body: body)
    }

    private static func headerEnd(_ bytes: [UInt8]) -> Int? {
        guard bytes.count >= 4 else { return nil }
        return (0...bytes.count - 4).first { bytes[$0..<$0 + 4].elementsEqual([13, 10, 13, 10]) }
    }
}

/// One-shot requests that hold no thread of Swift's pool.
package enum HTTPTestClient {
    /// A GET on a connection of its own.
    package static func get(
        _ path: String, port: UInt16, headers: [String] = [], timeout: Duration = .seconds(20)
    ) async throws -> HTTPReply {
        try await onThread {
            try HTTPTestConnection(port: port, timeout: timeout)
                .request("GET", path, headers: headers + ["Connection: close"])
        }
    }
}

/// Runs blocking work on a thread of its own.
package func onThread<R: Sendable>(_ body: @escaping @Sendable () throws -> R) async throws -> R {
    let result: Result<R, any Error> = await withCheckedContinuation { continuation in
        do {
            try OSThread.start(name: "test") { continuation.resume(returning: Result { try body() }) }
        } catch {
            continuation.resume(returning: .failure(error))
        }
    }
    return try result.get()
}
