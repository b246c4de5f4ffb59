import Glibc
import Runtime

/// What systemd is to a service: a socket that takes its messages.
package final class NotifySocket: @unchecked Sendable {  // Proof: the descriptor never changes; messages are locked.
    /// The value for NOTIFY_SOCKET.
    package let address: String
    private let descriptor: Int32
    private let received = Lock([String]())
    private static let counter = Lock(0)

    /// Why there is no socket.
    package struct Failure: Error {
        /// The error number.
        package let code: Int32
    }

    /// Binds an abstract name of its own.
    package init() throws {
        let number = Self.counter.withLock { count in
            count += 1
            return count
        }
        address = "@pgvigil-test-\(getpid())-\(number)"
        descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue), 0)
        var target = sockaddr_un()
        target.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &target.sun_path) { bytes in
            bytes.copyBytes(from: Array(address.utf8))
            bytes[0] = 0
        }
        let length = socklen_t(MemoryLayout<sa_family_t>.size + address.utf8.count)
        let code = withUnsafePointer(to: &target) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(descriptor, $0, length) }
        }
        guard code == 0 else { throw Failure(code: errno) }
    }

    deinit { close(descriptor) }

    /// Every message so far, in order.
    package var messages: [String] {
        received.withLock { received in
            var buffer = [UInt8](repeating: 0, count: 4096)
            while true {
                let count = recv(descriptor, &buffer, buffer.count, 0)
                guard count >= 0 else { return received }
                received.append(String(decoding: buffer[..<count], as: UTF8.self))
            }
        }
    }

    /// Waits until a message satisfies the condition; false when none did in time.
    package func waits(within limit: Duration = .seconds(30), for condition: (String) -> Bool) async -> Bool {
        let deadline = Monotonic.now() + limit
        while Monotonic.now() < deadline {
            if messages.contains(where: condition) { return true }
            try? await Task.sleep(for: .milliseconds(20))
        }
        return false
    }
}
