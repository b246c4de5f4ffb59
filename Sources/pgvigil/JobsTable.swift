import Postgres

/// Rows of a result as a table for a terminal, or as JSON for a script.
struct TextTable {
    private let rows: PostgresRows

    init(_ rows: PostgresRows) { self.rows = rows }

    /// A header and a line a row; columns that hold only numbers are aligned to the right.
    var text: String {
        let cells = [rows.columns] + rows.map { row in rows.columns.indices.map { Self.cell(row[$0]) } }
        let widths = rows.columns.indices.map { column in cells.map { $0[column].count }.max() ?? 0 }
        let isNumeric = rows.columns.indices.map { column in
            cells.dropFirst().allSatisfy { $0[column].isEmpty || Double($0[column]) != nil }
        }
        return cells.map { line in
            let padded = line.indices.map { Self.pad(line[$0], widths[$0], right: isNumeric[$0]) }
            return Self.trimmed(padded.joined(separator: "  "))
        }.joined(separator: "\n")
    }

    /// One row as an object of texts and nulls, in one line.
    static func json(_ row: PostgresRow) -> String {
        let members = row.columns.enumerated().map { index, name in
            JSONText.string(name).text + ":" + JSONText.optional(row[index]).text
        }
        return "{" + members.joined(separator: ",") + "}"
    }

    /// Rows of `field` and `value`, one below the other; a value's further lines stand below its first.
    static func pairs(_ pairs: PostgresRows) -> String {
        let width = pairs.map { $0["field"]?.count ?? 0 }.max() ?? 0
        return pairs.flatMap { pair in
            let field = pair["field"] ?? ""
            return (pair["value"] ?? "").split(separator: "\n", omittingEmptySubsequences: false).enumerated().map {
                let head = $0.offset == 0 ? field : ""
                return head + String(repeating: " ", count: width - head.count) + "  " + $0.element
            }
        }.joined(separator: "\n")
    }

    /// One line, however many the value has.
    private static func cell(_ value: String?) -> String {
        (value ?? "").split(whereSeparator: \.isNewline).joined(separator: " ")
    }

    private static func pad(_ text: String, _ width: Int, right: Bool) -> String {
        let blanks = String(repeating: " ", count: width - text.count)
        return right ? blanks + text : text + blanks
    }

    private static func trimmed(_ text: String) -> String {
        var text = Substring(text)
        while text.last == " " { text.removeLast() }
        return String(text)
    }
}
