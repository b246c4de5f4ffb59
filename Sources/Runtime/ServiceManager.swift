import CShims
import Glibc

/// Tells systemd, or whoever set NOTIFY_SOCKET, how the service is doing; does nothing without one.
package struct ServiceManager: Sendable {
    /// What can be said.
    package enum State: Sendable {
        case ready
        case reloading
        case stopping
        case status(String)
        case watchdog

        fileprivate var message: String {
            switch self {
            case .ready: "READY=1"
            case .reloading: "RELOADING=1\nMONOTONIC_USEC=\(Self.monotonicMicroseconds())"
            case .stopping: "STOPPING=1"
            case .status(let text): "STATUS=\(String(text.map { $0.isNewline ? " " : $0 }))"
            case .watchdog: "WATCHDOG=1"
            }
        }

        /// Whether the same will be said again soon.
        fileprivate var isRepeated: Bool {
            if case .watchdog = self { return true }
            return false
        }

        private static func monotonicMicroseconds() -> Int64 {
            var time = timespec()
            clock_gettime(CLOCK_MONOTONIC, &time)
            return Int64(time.tv_sec) * 1_000_000 + Int64(time.tv_nsec) / 1000
        }
    }

    private let address: String?

    /// `address` is the value of NOTIFY_SOCKET: a path, or an abstract name that begins with `@`.
    package init(address: String?) { self.address = address }

    /// Sends the message; false when there is nobody to tell or the socket refuses.
    @discardableResult
    package func notify(_ state: State) -> Bool {
        guard let address else { return false }
        let path = Array(address.utf8)
        var target = sockaddr_un()
        target.sun_family = sa_family_t(AF_UNIX)
        guard !path.isEmpty, path.count < MemoryLayout.size(ofValue: target.sun_path) else { return false }
        withUnsafeMutableBytes(of: &target.sun_path) { bytes in
            bytes.copyBytes(from: path)
            if bytes[0] == UInt8(ascii: "@") { bytes[0] = 0 }
        }
        let socket = pgvigil_unix_datagram_socket()
        guard socket >= 0 else { return false }
        defer { close(socket) }
        let length = socklen_t(MemoryLayout<sa_family_t>.size + path.count)
        let message = Array(state.message.utf8)
        // A manager that does not read must not hold up who is asked for signs of life; one message more or less is nothing.
        let flags = Int32(MSG_NOSIGNAL) | (state.isRepeated ? Int32(MSG_DONTWAIT) : 0)
        let sent = withUnsafePointer(to: &target) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
                sendto(socket, message, message.count, flags, address, length)
            }
        }
        return sent == message.count
    }
}
