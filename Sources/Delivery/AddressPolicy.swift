import Glibc

/// Which addresses may be dialled: public ones, and those of networks that the service's own configuration names.
///
/// It judges the address of the socket about to be made, not a name, so that no trick with names, numbers or answers of
/// a name server that change reaches an internal machine. The ranges are those that IANA's registries of special
/// purpose addresses do not call globally reachable, and the ways of writing an IPv4 address inside an IPv6 one.
package struct AddressPolicy: Sendable {
    private let allowed: [Network]

    /// Refuses all that is not public, but for the networks given.
    package init(allowing allowed: [Network] = []) { self.allowed = allowed }

    /// Why an address may not be dialled, such as "loopback"; nil when it may.
    func refusal(of address: UnsafePointer<sockaddr>) -> String? {
        guard let bytes = Self.bytes(of: address) else { return "not an internet address" }
        return refusal(of: bytes)
    }

    /// The same for four or sixteen bytes, most significant first.
    package func refusal(of address: [UInt8]) -> String? {
        if allowed.contains(where: { $0.contains(address) }) { return nil }
        // An IPv4 address in IPv6 dress is judged as what it is.
        if Self.mapped.contains(address) { return refusal(of: Array(address.suffix(4))) }
        return Self.special.first { $0.network.contains(address) }?.name
    }

    private static func bytes(of address: UnsafePointer<sockaddr>) -> [UInt8]? {
        let raw = UnsafeRawPointer(address)
        switch Int32(address.pointee.sa_family) {
        case AF_INET:
            return withUnsafeBytes(of: raw.load(as: sockaddr_in.self).sin_addr) { Array($0) }
        case AF_INET6:
            return withUnsafeBytes(of: raw.load(as: sockaddr_in6.self).sin6_addr) { Array($0) }
        default:
            return nil
        }
    }

    private static let mapped = Network(bytes: [UInt8](repeating: 0, count: 10) + [255, 255, 0, 0, 0, 0], prefix: 96)

    private static let special: [(network: Network, name: String)] = [
        ("0.0.0.0/8", "this network"), ("10.0.0.0/8", "private"), ("100.64.0.0/10", "shared by a carrier"),
        ("127.0.0.0/8", "loopback"), ("169.254.0.0/16", "link-local"), ("172.16.0.0/12", "private"),
        ("192.0.0.0/24", "protocol assignments"), ("192.0.2.0/24", "documentation"), ("192.88.99.0/24", "6to4 relay"),
        ("192.168.0.0/16", "private"), ("198.18.0.0/15", "benchmarking"), ("198.51.100.0/24", "documentation"),
        ("203.0.113.0/24", "documentation"), ("224.0.0.0/4", "multicast"), ("240.0.0.0/4", "reserved"),
        ("::1/128", "loopback"), ("::/128", "unspecified"), ("::/96", "IPv4-compatible"), ("64:ff9b::/96", "NAT64"),
        ("64:ff9b:1::/48", "NAT64"), ("100::/64", "discard"), ("2001::/23", "protocol assignments"),
        ("2001:db8::/32", "documentation"), ("2002::/16", "6to4"), ("3fff::/20", "documentation"),
        ("5f00::/16", "segment routing"), ("fc00::/7", "private"), ("fe80::/10", "link-local"),
        ("fec0::/10", "site-local"), ("ff00::/8", "multicast"),
    ].compactMap { text, name in Network(text).map { ($0, name) } }
}
