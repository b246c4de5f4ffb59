/// The whole result of a query, values in PostgreSQL's text form.
package struct PostgresRows: Sendable, RandomAccessCollection {
    /// The column names in order.
    package var columns: [String] { header.names }
    /// What the server says it did, such as `INSERT 0 3`.
    package let commandTag: String
    /// Rows that the command inserted, changed, deleted, moved or returned.
    package let affectedRows: Int
    /// The number of rows.
    package let count: Int

    private let header: PostgresHeader
    private let values: [String?]

    init(header: PostgresHeader, values: [String?], count: Int, commandTag: String, affectedRows: Int) {
        self.header = header
        self.values = values
        self.count = count
        self.commandTag = commandTag
        self.affectedRows = affectedRows
    }

    /// Always zero.
    package var startIndex: Int { 0 }

    /// The number of rows.
    package var endIndex: Int { count }

    /// One row.
    package subscript(position: Int) -> PostgresRow {
        precondition(position >= 0 && position < count, "row index out of range")
        let width = header.names.count
        return PostgresRow(header: header, values: values[position * width..<(position + 1) * width])
    }

    /// The first column of the first row; nil when it is null or there is none.
    package var scalar: String? { values.first ?? nil }

    /// The only row.
    ///
    /// - Throws: a usage error when there is none, or more than one.
    package func single() throws(PostgresError) -> PostgresRow {
        guard count == 1 else {
            throw PostgresError(kind: .usage, attempted: "decode", message: "expected one row, got \(count)")
        }
        return self[0]
    }
}
