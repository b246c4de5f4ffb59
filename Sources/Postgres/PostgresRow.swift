/// One row, values in PostgreSQL's text form.
package struct PostgresRow: Sendable {
    private let header: PostgresHeader
    private let values: ArraySlice<String?>

    init(header: PostgresHeader, values: ArraySlice<String?>) {
        self.header = header
        self.values = values
    }

    /// The column names in order.
    package var columns: [String] { header.names }

    /// The value of a column; nil when it is null or there is no such column.
    package subscript(column: String) -> String? {
        guard let index = header.index[column] else { return nil }
        return self[index]
    }

    /// The value of a column by its number from 0; nil when it is null.
    package subscript(index: Int) -> String? { values[values.startIndex + index] }

    /// The value of a column that must not be null.
    ///
    /// - Throws: a usage error that names the column, never its value.
    package func decode<T: PostgresDecodable>(_ column: String, as type: T.Type = T.self) throws(PostgresError) -> T {
        guard let value = try decodeIfPresent(column, as: type) else {
            throw mismatch(column, "is null")
        }
        return value
    }

    /// The value of a column, or nil when it is null.
    ///
    /// - Throws: a usage error that names the column, never its value.
    package func decodeIfPresent<T: PostgresDecodable>(
        _ column: String, as type: T.Type = T.self
    ) throws(PostgresError) -> T? {
        guard let index = header.index[column] else { throw mismatch(column, "is not in the result") }
        guard let text = self[index] else { return nil }
        guard let value = T(postgresText: text) else { throw mismatch(column, "is no \(T.self)") }
        return value
    }

    private func mismatch(_ column: String, _ problem: String) -> PostgresError {
        PostgresError(kind: .usage, attempted: "decode", message: "column \(column) \(problem)")
    }
}

/// The column names that all rows of a result share.
final class PostgresHeader: Sendable {
    let names: [String]
    let index: [String: Int]

    init(names: [String]) {
        self.names = names
        index = Dictionary(names.enumerated().map { ($1, $0) }) { first, _ in first }
    }
}
