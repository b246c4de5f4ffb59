import Postgres

/// A statement of a file that the server refused, with its place.
struct StatementFailure: Error, Sendable {
    let path: String
    let line: Int
    let cause: PostgresError

    /// Finds the line that the server's error position points to.
    init(_ statement: SQLStatement, of path: String, _ cause: PostgresError) {
        let before = statement.text.unicodeScalars.prefix(max(0, (cause.position ?? 1) - 1))
        self.path = path
        self.line = statement.line + before.count { $0 == "\n" }
        self.cause = cause
    }

    /// The failure as the user sees it.
    ///
    /// - Parameters:
    ///   - consequence: what this leaves behind, one clause.
    ///   - command: what to run again.
    /// - Returns: a fault with file, line and the server's words.
    func fault(consequence: String, command: String = "migrate up") -> MigrationFault {
        let code = cause.sqlState ?? "no SQLSTATE"
        let lacksRights = ["42501", "PV006", "PV007", "0P000"].contains(code)
        let detail = cause.detail.map { ": \($0)" } ?? ""
        return MigrationFault(
            lacksRights ? .insufficientRights : .failed,
            "\(path):\(line): \(cause.message)\(detail) (SQLSTATE \(code)); \(consequence)",
            remedy: cause.hint ?? Self.remedy(cause, command))
    }

    private static func remedy(_ cause: PostgresError, _ command: String) -> String {
        cause.message.hasPrefix("must be owner of")
            ? "its owner was changed by hand; let a superuser give it back: alter ... owner to monitoring_owner;"
            : "mend what it says and run pgvigil \(command) again"
    }
}

extension PostgresConnection {
    /// Runs a file's statements one by one, so that a failure has a line.
    /// - Throws: `StatementFailure`.
    func run(_ statements: [SQLStatement], of path: String) async throws {
        for statement in statements {
            do throws(PostgresError) {
                try await execute(statement.text)
            } catch {
                // Cancelled or cut off: that is nothing about the file.
                guard error.kind == .server else { throw error }
                throw StatementFailure(statement, of: path, error)
            }
        }
    }
}
