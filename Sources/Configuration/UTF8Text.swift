/// Places in UTF-8 bytes.
enum UTF8Text {
    /// The place of the first byte that is not UTF-8; nil when all is well.
    static func firstInvalid(in bytes: [UInt8]) -> SourceMark? {
        if String(validating: bytes, as: UTF8.self) != nil { return nil }
        var parser = Unicode.UTF8.ForwardParser()
        var iterator = bytes.makeIterator()
        var offset = 0
        while case .valid(let scalar) = parser.parseScalar(from: &iterator) { offset += scalar.count }
        return mark(at: offset, in: bytes)
    }

    /// Line and column, in characters, of a byte.
    static func mark<Bytes: RandomAccessCollection<UInt8>>(at offset: Int, in bytes: Bytes) -> SourceMark
    where Bytes.Index == Int {
        let before = bytes.prefix(max(0, offset))
        let newline = UInt8(ascii: "\n")
        let lineStart = before.lastIndex(of: newline).map { $0 + 1 } ?? 0
        // Bytes of the form 10xxxxxx continue a character.
        let column = before[lineStart...].count { $0 & 0xC0 != 0x80 } + 1
        return SourceMark(line: before.count { $0 == newline } + 1, column: column)
    }
}
