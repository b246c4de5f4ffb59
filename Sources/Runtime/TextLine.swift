/// One line for people: time, level, event, then `key=value`, values in quotes where they hold more than plain characters.
struct TextLine {
    private let valueLimit: Int
    private var bytes: [UInt8]

    /// The line's beginning; of a value with more than `valueLimit` bytes the beginning and an ellipsis are kept.
    init(time: String, level: String, event: String, valueLimit: Int) {
        self.valueLimit = valueLimit
        let padding = String(repeating: " ", count: max(0, 7 - level.count))
        bytes = Array("\(time) \(level)\(padding) ".utf8)
        bytes += event.utf8.allSatisfy { $0 >= 32 } ? Array(event.utf8) : JSONLine.quoted(event, limit: valueLimit)
    }

    /// Adds one field.
    mutating func add(_ key: String, _ value: String) {
        bytes += Array(" \(key)=".utf8)
        let isPlain = !value.isEmpty && value.utf8.count <= valueLimit && value.utf8.allSatisfy(Self.isPlain)
        bytes += isPlain ? Array(value.utf8) : JSONLine.quoted(value, limit: valueLimit)
    }

    /// The line and its newline.
    func finished() -> [UInt8] { bytes + [UInt8(ascii: "\n")] }

    private static func isPlain(_ byte: UInt8) -> Bool {
        byte > 32 && byte < 127 && byte != UInt8(ascii: "\"") && byte != UInt8(ascii: "=") && byte != UInt8(ascii: "\\")
    }
}
