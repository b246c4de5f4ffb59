/// Where to listen: a host and a port, `127.0.0.1:9877`, `[::1]:9877`, or `:9877` for every interface.
package struct ListenAddress: Sendable, Hashable {
    /// A name or an address, without brackets; empty for every interface.
    package let host: String
    /// 0 lets the system choose.
    package let port: UInt16

    package init(host: String, port: UInt16) {
        self.host = host
        self.port = port
    }

    /// The address that a text says, an IPv6 one in brackets; nil when it says none.
    package init?(_ text: String) {
        guard let colon = text.lastIndex(of: ":") else { return nil }
        let portText = text[text.index(after: colon)...]
        var host = text[..<colon]
        guard portText.allSatisfy({ $0.isASCII && $0.isNumber }), let port = UInt16(portText) else { return nil }
        if host.hasPrefix("[") && host.hasSuffix("]") {
            host = host.dropFirst().dropLast()
            guard Self.isIPv6(host) else { return nil }
        } else {
            guard host.allSatisfy({ $0.isASCII && ($0.isLetter || $0.isNumber || "-._".contains($0)) }) else {
                return nil
            }
        }
        self.init(host: String(host), port: port)
    }

    private static func isIPv6(_ text: Substring) -> Bool {
        let address = text.prefix { $0 != "%" }
        let zone = text.dropFirst(address.count)
        return address.contains(":") && address.allSatisfy { $0.isHexDigit && $0.isASCII || ":.".contains($0) }
            && zone.count != 1 && zone.allSatisfy { $0.isASCII && !$0.isWhitespace }
    }
}

extension ListenAddress: CustomStringConvertible {
    package var description: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }
}
