import Glibc
import Runtime

/// A way to a server over TCP that a test can cut: connections stay open and carry nothing, as on a dead network.
package final class TCPProxy: Sendable {
    /// What the way does with bytes.
    private struct State {
        var destination: UInt16
        var isFrozen = false
        var isClosed = false
        var sockets: [Int32] = []
    }

    /// Where it listens, on 127.0.0.1.
    package let port: UInt16
    private let listener: Int32
    private let state: Lock<State>

    /// The machine refused a socket or a thread.
    package struct Failure: Error {}

    /// Leads to a port of 127.0.0.1.
    package init(to destination: UInt16) throws {
        state = Lock(State(destination: destination))
        listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        var address = Self.address(0)
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let listener = listener
        let code = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
                bind(listener, address, length) == 0 && listen(listener, 64) == 0
                    ? getsockname(listener, address, &length) : -1
            }
        }
        guard code == 0 else { throw Failure() }
        port = UInt16(bigEndian: address.sin_port)
        try OSThread.start(name: "proxy") { [self] in accept() }
    }

    deinit { close(listener) }

    /// From now on nothing gets through; or all does again, what was held back first.
    package func setFrozen(_ isFrozen: Bool) { state.withLock { $0.isFrozen = isFrozen } }

    /// Leads elsewhere from now on, and cuts what leads to the place before.
    package func lead(to destination: UInt16) {
        state.withLock { state in
            state.destination = destination
            for socket in state.sockets { shutdown(socket, Int32(SHUT_RDWR)) }
        }
    }

    /// Ends it and every connection.
    package func stop() {
        state.withLock { state in
            state.isClosed = true
            for socket in state.sockets { shutdown(socket, Int32(SHUT_RDWR)) }
        }
        shutdown(listener, Int32(SHUT_RDWR))
    }

    private func accept() {
        while !state.withLock({ $0.isClosed }) {
            let client = Glibc.accept(listener, nil, nil)
            guard client >= 0 else { continue }
            do {
                try OSThread.start(name: "proxied") { [self] in carry(client) }
            } catch {
                close(client)
            }
        }
    }

    /// Carries bytes both ways until one side ends.
    private func carry(_ client: Int32) {
        let server = socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        defer {
            state.withLock { $0.sockets.removeAll { $0 == client || $0 == server } }
            close(client)
            close(server)
        }
        guard waitUntilThawed() else { return }
        var address = Self.address(state.withLock { $0.destination })
        let code = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(server, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard code == 0 else { return }
        state.withLock { $0.sockets += [client, server] }
        var ends = [
            pollfd(fd: client, events: Int16(POLLIN), revents: 0),
            pollfd(fd: server, events: Int16(POLLIN), revents: 0),
        ]
        var buffer = [UInt8](repeating: 0, count: 65_536)
        while waitUntilThawed() {
            guard poll(&ends, 2, 50) >= 0 else { return }
            for (index, end) in ends.enumerated() where end.revents != 0 {
                guard waitUntilThawed() else { return }
                let count = recv(end.fd, &buffer, buffer.count, 0)
                guard count > 0, send(buffer, count, to: ends[1 - index].fd) else { return }
            }
        }
    }

    private func send(_ buffer: [UInt8], _ count: Int, to socket: Int32) -> Bool {
        var sent = 0
        while sent < count {
            let part = buffer.withUnsafeBytes {
                Glibc.send(socket, $0.baseAddress.map { $0 + sent }, count - sent, Int32(MSG_NOSIGNAL))
            }
            guard part > 0 else { return false }
            sent += part
        }
        return true
    }

    /// False when it was stopped.
    private func waitUntilThawed() -> Bool {
        while true {
            let (isFrozen, isClosed) = state.withLock { ($0.isFrozen, $0.isClosed) }
            if isClosed { return false }
            if !isFrozen { return true }
            usleep(10_000)
        }
    }

    private static func address(_ port: UInt16) -> sockaddr_in {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        return address
    }
}
