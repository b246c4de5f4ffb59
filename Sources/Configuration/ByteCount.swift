/// A number of bytes, written with a unit as PostgreSQL writes it: `64kB`, `16MB`, `1GB`; one kB is 1,024 bytes.
package struct ByteCount: Sendable, Hashable, Comparable {
    package let bytes: Int

    package init(bytes: Int) { self.bytes = bytes }

    /// The number that a text such as `16MB` says; nil when it says none, or one too large.
    package init?(_ text: String) {
        let digits = text.prefix { $0.isASCII && $0.isNumber }
        guard let count = Int(digits), let factor = Self.units[String(text.dropFirst(digits.count))] else { return nil }
        let (bytes, isTooLarge) = count.multipliedReportingOverflow(by: factor)
        if isTooLarge { return nil }
        self.bytes = bytes
    }

    package static func < (left: ByteCount, right: ByteCount) -> Bool { left.bytes < right.bytes }

    private static let units = ["B": 1, "kB": 1 << 10, "MB": 1 << 20, "GB": 1 << 30, "TB": 1 << 40]
}
