import CShims
import Glibc

/// Why nobody can listen at an address.
package struct ListenFailure: Error, Sendable, CustomStringConvertible {
    /// Whether another process has the port.
    package let isPortTaken: Bool
    /// One line that names the address and the reason.
    package let description: String
}

/// A TCP socket that takes connections; closed when let go of.
final class ListeningSocket: Sendable {
    let descriptor: Int32
    let port: UInt16
    /// Whether only this machine can reach it.
    let isLocal: Bool

    /// Binds the first address that the host name yields.
    init(host: String, port: UInt16) throws(ListenFailure) {
        let address = host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)"
        var hints = addrinfo()
        hints.ai_flags = AI_PASSIVE | AI_ADDRCONFIG | AI_NUMERICSERV
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        var found: UnsafeMutablePointer<addrinfo>?
        let code = getaddrinfo(host.isEmpty ? nil : host, String(port), &hints, &found)
        guard code == 0, let found else {
            let reason = String(cString: gai_strerror(code))
            throw ListenFailure(isPortTaken: false, description: "cannot listen on \(address): \(reason)")
        }
        defer { freeaddrinfo(found) }
        let descriptor = socket(
            found.pointee.ai_family, found.pointee.ai_socktype | Int32(SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue),
            found.pointee.ai_protocol)
        var yes: Int32 = 1
        setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &yes, socklen_t(MemoryLayout<Int32>.size))
        guard descriptor >= 0, bind(descriptor, found.pointee.ai_addr, found.pointee.ai_addrlen) == 0,
            listen(descriptor, 128) == 0
        else {
            let code = errno
            if descriptor >= 0 { close(descriptor) }
            let reason = String(cString: strerror(code))
            throw ListenFailure(
                isPortTaken: code == EADDRINUSE, description: "cannot listen on \(address): \(reason)")
        }
        self.descriptor = descriptor
        self.port = Self.port(of: descriptor)
        isLocal = Self.isLocal(found.pointee)
    }

    deinit { close(descriptor) }

    /// Whether an address is 127.0.0.0/8 or ::1.
    private static func isLocal(_ address: addrinfo) -> Bool {
        guard let pointer = UnsafeRawPointer(address.ai_addr) else { return false }
        switch address.ai_family {
        case AF_INET: return UInt32(bigEndian: pointer.load(as: sockaddr_in.self).sin_addr.s_addr) >> 24 == 127
        case AF_INET6:
            return withUnsafeBytes(of: pointer.load(as: sockaddr_in6.self).sin6_addr) { bytes in
                bytes.dropLast().allSatisfy { $0 == 0 } && bytes.last == 1
            }
        default: return false
        }
    }

    private static func port(of descriptor: Int32) -> UInt16 {
        var storage = sockaddr_storage()
        var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        return withUnsafeMutablePointer(to: &storage) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
                _ = getsockname(descriptor, address, &length)
            }
            return pointer.withMemoryRebound(to: sockaddr_in.self, capacity: 1) { address in
                // The port lies at the same place in the addresses of both families.
                UInt16(bigEndian: address.pointee.sin_port)
            }
        }
    }
}
