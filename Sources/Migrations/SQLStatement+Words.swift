extension SQLStatement {
    /// The first words in lower case, names with their dots and quotes as one word; comments are left out.
    func leadingWords(_ limit: Int = 12) -> [String] {
        var words: [String] = []
        var rest = Array(text.utf8)[...]
        while words.count < limit, let byte = rest.first {
            if byte <= UInt8(ascii: " ") {
                rest = rest.dropFirst()
            } else if rest.starts(with: Array("--".utf8)) {
                rest = rest.drop { $0 != UInt8(ascii: "\n") }
            } else if rest.starts(with: Array("/*".utf8)) {
                rest = Self.afterComment(rest)
            } else {
                let word = rest.prefix(while: Self.isNamePart)
                let length = max(1, word.count)
                words.append(String(decoding: rest.prefix(length), as: UTF8.self).lowercased())
                rest = rest.dropFirst(length)
            }
        }
        return words
    }

    private static func afterComment(_ bytes: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
        var rest = bytes.dropFirst(2)
        while !rest.isEmpty, !rest.starts(with: Array("*/".utf8)) { rest = rest.dropFirst() }
        return rest.dropFirst(2)
    }

    private static func isNamePart(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"): true
        case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"), UInt8(ascii: "."), UInt8(ascii: "\""): true
        default: byte >= 0x80
        }
    }
}
