/// One flat JSON object of texts, built as bytes.
package struct JSONLine {
    private let valueLimit: Int
    private var bytes: [UInt8] = [UInt8(ascii: "{")]

    /// An empty object; of a value with more than `valueLimit` bytes the beginning and an ellipsis are kept.
    init(valueLimit: Int = .max) { self.valueLimit = valueLimit }

    /// Adds one member.
    mutating func add(_ key: String, _ value: String) {
        if bytes.count > 1 { bytes.append(UInt8(ascii: ",")) }
        bytes += Self.quoted(key, limit: .max)
        bytes.append(UInt8(ascii: ":"))
        bytes += Self.quoted(value, limit: valueLimit)
    }

    /// A text in quotes as JSON writes it, its beginning and an ellipsis when it has more than `limit` bytes.
    package static func quoted(_ text: String, limit: Int) -> [UInt8] {
        let beginning = shortened(text.utf8, limit)
        var bytes = quoted(beginning)
        guard beginning.endIndex < text.utf8.endIndex else { return bytes }
        bytes.removeLast()
        return bytes + Array("…\"".utf8)
    }

    /// The object and its newline.
    func finished() -> [UInt8] { bytes + [UInt8(ascii: "}"), UInt8(ascii: "\n")] }

    /// The longest beginning within the limit that ends between two characters of Unicode.
    private static func shortened(_ text: String.UTF8View, _ limit: Int) -> Substring.UTF8View {
        guard var end = text.index(text.startIndex, offsetBy: limit, limitedBy: text.endIndex) else {
            return text[...]
        }
        while end > text.startIndex, end < text.endIndex, text[end] & 0xc0 == 0x80 { end = text.index(before: end) }
        return text[..<end]
    }

    private static func quoted(_ text: Substring.UTF8View) -> [UInt8] {
        var bytes = [UInt8(ascii: "\"")]
        for byte in text {
            switch byte {
            case UInt8(ascii: "\""), UInt8(ascii: "\\"): bytes += [UInt8(ascii: "\\"), byte]
            case UInt8(ascii: "\n"): bytes += Array("\\n".utf8)
            case UInt8(ascii: "\t"): bytes += Array("\\t".utf8)
            case 0..<32: bytes += Array("\\u00".utf8) + [Self.hex[Int(byte >> 4)], Self.hex[Int(byte & 15)]]
            default: bytes.append(byte)
            }
        }
        bytes.append(UInt8(ascii: "\""))
        return bytes
    }

    private static let hex = Array("0123456789abcdef".utf8)
}
