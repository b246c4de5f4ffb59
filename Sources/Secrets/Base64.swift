import Runtime

/// Base64 as RFC 4648 defines it, with padding, and in one form only: no blanks, no stray bits.
enum Base64 {
    private static let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)

    /// The text of the bytes.
    static func text(of bytes: UnsafeRawBufferPointer) -> String {
        var out: [UInt8] = []
        out.reserveCapacity((bytes.count + 2) / 3 * 4)
        for start in stride(from: 0, to: bytes.count, by: 3) {
            let group = (0..<3).map { start + $0 < bytes.count ? UInt32(bytes[start + $0]) : 0 }
            let word = group[0] << 16 | group[1] << 8 | group[2]
            let digits = [18, 12, 6, 0].map { alphabet[Int(word >> $0 & 63)] }
            let kept = min(bytes.count - start, 3) + 1
            out += digits.prefix(kept) + Array(repeating: 61, count: 4 - kept)
        }
        return String(decoding: out, as: UTF8.self)
    }

    /// The bytes of the text; nil when it is no base64.
    static func bytes(of text: some Collection<UInt8>) -> SecretBytes? {
        let padding = text.suffix(2).reversed().prefix { $0 == 61 }.count
        guard text.count.isMultiple(of: 4), !text.isEmpty else { return nil }
        let count = text.count / 4 * 3 - padding
        do throws(Malformed) {
            return try SecretBytes(capacity: count) { (buffer) throws(Malformed) in
                try fill(buffer, text.dropLast(padding))
                return count
            }
        } catch {
            return nil
        }
    }

    private struct Malformed: Error {}

    private static func fill(
        _ buffer: UnsafeMutableRawBufferPointer, _ digits: some Collection<UInt8>
    ) throws(Malformed) {
        var word: UInt32 = 0
        var bits = 0
        var next = 0
        for digit in digits {
            guard let value = value(of: digit) else { throw Malformed() }
            word = (word << 6 | value) & 0xffff
            bits += 6
            guard bits >= 8 else { continue }
            bits -= 8
            buffer[next] = UInt8(truncatingIfNeeded: word >> UInt32(bits))
            next += 1
        }
        // What is left over must be zero, so that no two texts mean the same bytes.
        guard next == buffer.count, word & (1 << UInt32(bits) - 1) == 0 else { throw Malformed() }
    }

    private static func value(of digit: UInt8) -> UInt32? {
        switch digit {
        case 65...90: UInt32(digit - 65)
        case 97...122: UInt32(digit - 71)
        case 48...57: UInt32(digit + 4)
        case 43: 62
        case 47: 63
        default: nil
        }
    }
}
