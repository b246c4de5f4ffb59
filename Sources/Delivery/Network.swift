import Glibc

/// A range of IPv4 or IPv6 addresses, written `10.0.0.0/8` or `fd00::/8`.
package struct Network: Sendable, Hashable {
    /// Four bytes or sixteen, most significant first.
    let bytes: [UInt8]
    /// How many leading bits count.
    let prefix: Int

    init(bytes: [UInt8], prefix: Int) {
        self.bytes = bytes
        self.prefix = prefix
    }

    /// The range that a text says, an address alone being a range of one; nil when it says none.
    package init?(_ text: String) {
        let parts = text.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
        guard let address = parts.first.flatMap({ Self.bytes(of: String($0)) }) else { return nil }
        var prefix = address.count * 8
        if parts.count == 2 {
            guard let length = Int(parts[1]), (0...prefix).contains(length), String(length) == parts[1] else {
                return nil
            }
            prefix = length
        }
        self.init(bytes: address, prefix: prefix)
    }

    /// Whether an address of four or sixteen bytes lies in the range.
    func contains(_ address: [UInt8]) -> Bool {
        guard address.count == bytes.count else { return false }
        let whole = prefix / 8
        guard address[..<whole] == bytes[..<whole] else { return false }
        let rest = UInt8(truncatingIfNeeded: 0xff00 >> (prefix % 8))
        return prefix % 8 == 0 || (address[whole] ^ bytes[whole]) & rest == 0
    }

    private static func bytes(of text: String) -> [UInt8]? {
        var v4 = in_addr()
        if inet_pton(AF_INET, text, &v4) == 1 { return withUnsafeBytes(of: v4) { Array($0) } }
        var v6 = in6_addr()
        if inet_pton(AF_INET6, text, &v6) == 1 { return withUnsafeBytes(of: v6) { Array($0) } }
        return nil
    }
}
