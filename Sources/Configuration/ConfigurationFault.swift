/// One thing that is wrong with a file or a setting, said so that its author can find it.
package struct ConfigurationFault: Sendable, Equatable {
    /// Where it was given: a file's path, `--listen`, or `PGVIGIL_LISTEN`.
    package let source: String
    /// The place in the file.
    package let mark: SourceMark?
    /// The way to the value inside the document, such as `jobs[3].timeout`; empty for the document itself.
    package let path: String
    /// What is wrong, in lower case, without a full stop, and without secrets.
    package let message: String

    package init(source: String, mark: SourceMark? = nil, path: String = "", message: String) {
        self.source = source
        self.mark = mark
        self.path = path
        self.message = message
    }
}

extension ConfigurationFault: CustomStringConvertible {
    /// `jobs.yml:12:14: jobs[3].timeout: expected a duration like 30s, found "many"`.
    package var description: String {
        var text = source
        if let mark { text += ":\(mark.line)" + (mark.column > 0 ? ":\(mark.column)" : "") }
        text += ": "
        if !path.isEmpty { text += path + ": " }
        return text + message
    }
}

/// Quotes what someone wrote, inside a fault.
enum Quote {
    /// The text in quotes, in one line: cut after forty characters, control characters written as numbers.
    static func brief(_ text: some StringProtocol) -> String {
        var quoted = "\""
        for scalar in text.unicodeScalars.prefix(40) {
            if scalar.value < 32 || (127..<160).contains(scalar.value) {
                quoted += "\\u{" + String(scalar.value, radix: 16) + "}"
            } else {
                quoted.unicodeScalars.append(scalar)
            }
        }
        return quoted + (text.unicodeScalars.count > 40 ? "…\"" : "\"")
    }
}

/// A line and a column of a file, both counted from 1; column 0 means that only the line is known.
package struct SourceMark: Sendable, Equatable, Comparable {
    package let line: Int
    package let column: Int

    /// Where a document begins.
    package static let start = SourceMark(line: 1, column: 1)

    package init(line: Int, column: Int = 0) {
        self.line = line
        self.column = column
    }

    package static func < (left: SourceMark, right: SourceMark) -> Bool {
        (left.line, left.column) < (right.line, right.column)
    }
}

/// Everything that is wrong with a file or with the settings, all at once.
package struct ConfigurationError: Error, Sendable, Equatable, CustomStringConvertible {
    /// At least one, in the order of the file.
    package let faults: [ConfigurationFault]

    /// What could be read besides, carrying the faults, so that the database can add what it finds wrong.
    package let readable: JobsFile?

    package init(_ faults: [ConfigurationFault], readable: JobsFile? = nil) {
        self.faults = faults
        self.readable = readable
    }

    /// One line a fault; a hundred of them are enough.
    package var description: String {
        var lines = faults.prefix(Self.shown).map(\.description)
        if faults.count > Self.shown { lines.append("and \(faults.count - Self.shown) more") }
        return lines.joined(separator: "\n")
    }

    private static let shown = 100
}
