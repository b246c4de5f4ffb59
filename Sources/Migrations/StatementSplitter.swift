/// One statement of a SQL file.
package struct SQLStatement: Sendable, Equatable {
    /// The text without its semicolon and without blanks or comments before it.
    package let text: String
    /// The line it starts on, from 1.
    package let line: Int
}

/// Cuts SQL text into statements as `psql` does.
///
/// It knows quotes, dollar quotes, nested comments, parentheses and the bodies of `begin atomic`.
struct StatementSplitter {
    private let bytes: [UInt8]
    private var position = 0
    private var line = 1
    /// Where the statement being read starts, once something other than blanks and comments was met.
    private var start: (offset: Int, line: Int)?
    private var parentheses = 0
    private var words: [String] = []
    private var atomicDepth = 0
    private var statements: [SQLStatement] = []

    private init(_ text: String) { bytes = Array(text.utf8) }

    /// The statements of the text, in order.
    static func statements(of text: String) -> [SQLStatement] {
        var splitter = StatementSplitter(text)
        splitter.run()
        return splitter.statements
    }

    private mutating func run() {
        while let byte = peek() {
            switch byte {
            case UInt8(ascii: "-") where peek(1) == UInt8(ascii: "-"): skipLine()
            case UInt8(ascii: "/") where peek(1) == UInt8(ascii: "*"): skipComment()
            case UInt8(ascii: " "), UInt8(ascii: "\t"), UInt8(ascii: "\n"), 0x0C, UInt8(ascii: "\r"): advance()
            case UInt8(ascii: ";") where parentheses == 0 && atomicDepth == 0: finish()
            default: token(byte)
            }
        }
        finish(atEnd: true)
    }

    /// Reads one token of a statement.
    private mutating func token(_ byte: UInt8) {
        if start == nil { start = (position, line) }
        switch byte {
        case UInt8(ascii: "'"): skipQuoted(byte, escapes: false)
        case UInt8(ascii: "\""): skipQuoted(byte, escapes: false)
        case UInt8(ascii: "$"): skipDollar()
        case UInt8(ascii: "("):
            parentheses += 1
            advance()
        case UInt8(ascii: ")"):
            parentheses = max(0, parentheses - 1)
            advance()
        case _ where Self.isWordStart(byte): word()
        case _ where Self.isDigit(byte): skipNumber()
        default: advance()
        }
    }

    private mutating func word() {
        let from = position
        while let byte = peek(), Self.isWordPart(byte) { advance() }
        let word = String(decoding: bytes[from..<position], as: UTF8.self).lowercased()
        if word == "e", peek() == UInt8(ascii: "'") {
            return skipQuoted(UInt8(ascii: "'"), escapes: true)
        }
        count(word)
    }

    /// Follows `create function … begin atomic … end`, where semicolons do not end the statement.
    private mutating func count(_ word: String) {
        guard parentheses == 0 else { return }
        if words.count < 4 { words.append(word) }
        let isRoutine =
            words.first == "create"
            && (words.dropFirst().contains("function") || words.dropFirst().contains("procedure"))
        guard isRoutine else { return }
        switch word {
        case "begin": atomicDepth += 1
        case "case" where atomicDepth > 0: atomicDepth += 1
        case "end" where atomicDepth > 0: atomicDepth -= 1
        default: break
        }
    }

    private mutating func finish(atEnd: Bool = false) {
        if let begun = start {
            var end = position
            while end > begun.offset, bytes[end - 1] <= UInt8(ascii: " ") { end -= 1 }
            let text = String(decoding: bytes[begun.offset..<end], as: UTF8.self)
            statements.append(SQLStatement(text: text, line: begun.line))
        }
        start = nil
        parentheses = 0
        words = []
        atomicDepth = 0
        if !atEnd { advance() }
    }
}

// MARK: Skipping

extension StatementSplitter {
    private func peek(_ ahead: Int = 0) -> UInt8? {
        position + ahead < bytes.count ? bytes[position + ahead] : nil
    }

    private mutating func advance(_ count: Int = 1) {
        for _ in 0..<count where position < bytes.count {
            if bytes[position] == UInt8(ascii: "\n") { line += 1 }
            position += 1
        }
    }

    private mutating func skipLine() {
        while let byte = peek(), byte != UInt8(ascii: "\n") { advance() }
    }

    private mutating func skipComment() {
        var depth = 0
        while let byte = peek() {
            if byte == UInt8(ascii: "/"), peek(1) == UInt8(ascii: "*") {
                depth += 1
                advance(2)
            } else if byte == UInt8(ascii: "*"), peek(1) == UInt8(ascii: "/") {
                depth -= 1
                advance(2)
                if depth == 0 { return }
            } else {
                advance()
            }
        }
    }

    /// Skips a quoted text; a doubled quote needs no care, since it reads as two texts side by side.
    private mutating func skipQuoted(_ quote: UInt8, escapes: Bool) {
        advance()
        while let byte = peek() {
            advance(escapes && byte == UInt8(ascii: "\\") ? 2 : 1)
            if byte == quote { return }
        }
    }

    private mutating func skipDollar() {
        var end = position + 1
        while end < bytes.count, Self.isTagPart(bytes[end], first: end == position + 1) { end += 1 }
        guard end < bytes.count, bytes[end] == UInt8(ascii: "$") else { return advance() }
        let tag = bytes[position...end]
        advance(tag.count)
        while position < bytes.count {
            if bytes[position] == UInt8(ascii: "$"), bytes[position...].starts(with: tag) { return advance(tag.count) }
            advance()
        }
    }

    private mutating func skipNumber() {
        while let byte = peek(), Self.isDigit(byte) || byte == UInt8(ascii: ".") { advance() }
    }

    private static func isDigit(_ byte: UInt8) -> Bool { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) }

    private static func isWordStart(_ byte: UInt8) -> Bool {
        let lower = byte | 0x20
        return (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(lower) || byte == UInt8(ascii: "_") || byte >= 0x80
    }

    private static func isWordPart(_ byte: UInt8) -> Bool {
        isWordStart(byte) || isDigit(byte) || byte == UInt8(ascii: "$")
    }

    private static func isTagPart(_ byte: UInt8, first: Bool) -> Bool {
        isWordStart(byte) || (!first && isDigit(byte))
    }
}
