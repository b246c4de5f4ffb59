/// The name of one start of a service: a random UUID.
package struct InstanceID: Sendable, Hashable, CustomStringConvertible {
    /// The UUID as text.
    package let description: String

    /// A new one.
    package init() {
        var generator = SystemRandomNumberGenerator()
        self.init(high: generator.next(), low: generator.next())
    }

    /// The version 4 UUID of these random bits.
    init(high: UInt64, low: UInt64) {
        let version = high & ~0xF000 | 0x4000
        let variant = low & ~(3 << 62) | 1 << 63
        let digits = Array(Self.hex(version) + Self.hex(variant))
        description = [0..<8, 8..<12, 12..<16, 16..<20, 20..<32].map { String(digits[$0]) }.joined(separator: "-")
    }

    private static func hex(_ value: UInt64) -> String {
        let digits = String(value, radix: 16)
        return String(repeating: "0", count: 16 - digits.count) + digits
    }
}
