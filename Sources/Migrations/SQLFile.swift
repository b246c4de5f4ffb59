/// One SQL file of ours: where it stands below the folder `sql`, what it says and the checksum that goes by its name.
package struct SQLFile: Sendable, Equatable {
    /// Relative to the folder `sql`, with slashes: `functions/tenancy/tenants.sql`.
    package let path: String
    /// The text with line endings normalised to LF, so that a CRLF checkout is the same file.
    package let text: String
    /// SHA-256 of the normalised text, 64 lower-case hex digits.
    package let checksum: String

    package init(path: String, text: String) {
        let normalised = LineEndings.normalised(text)
        self.path = path
        self.text = normalised
        self.checksum = SHA256.hex(of: normalised)
    }

    /// The last part of the path without `.sql`: `0001_roles_and_schemas`.
    package var name: String {
        let last = path.split(separator: "/").last.map(String.init) ?? path
        return last.hasSuffix(".sql") ? String(last.dropLast(4)) : last
    }
}

/// Line endings as the checksum sees them.
enum LineEndings {
    /// CRLF and lone CR become LF.
    static func normalised(_ text: String) -> String {
        guard text.utf8.contains(UInt8(ascii: "\r")) else { return text }
        var out: [UInt8] = []
        out.reserveCapacity(text.utf8.count)
        var afterReturn = false
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "\r"): out.append(UInt8(ascii: "\n"))
            case UInt8(ascii: "\n") where afterReturn: break
            default: out.append(byte)
            }
            afterReturn = byte == UInt8(ascii: "\r")
        }
        return String(decoding: out, as: UTF8.self)
    }
}
