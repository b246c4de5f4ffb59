/// What went wrong between us and a PostgreSQL server.
///
/// `description` is safe to log anywhere; the server's own words, which may hold data, are in the other members.
package struct PostgresError: Error, Sendable, Equatable {
    /// Who gave up, and why.
    package enum Kind: String, Sendable {
        /// The server refused the statement.
        case server
        /// There is no connection, or no longer.
        case connection
        /// The task was cancelled.
        case cancelled
        /// Our own deadline passed.
        case timeout
        /// The call was wrong: a malformed connection string, a value of another type, COPY where rows were expected.
        case usage
    }

    /// Who gave up.
    package var kind: Kind
    /// What was being done: connect, query, execute, stream, copy in, copy out, listen, decode.
    package var attempted: String
    /// The server's five-character code, where there is one.
    package var sqlState: String?
    /// The primary message; it may hold data.
    package var message: String
    /// More about the problem; it may hold data.
    package var detail: String?
    /// What could be done about it.
    package var hint: String?
    /// The call stack inside the server; it may hold query texts.
    package var context: String?
    /// Where in the statement, in characters from 1.
    package var position: Int?
    /// The constraint that was violated.
    package var constraint: String?
    /// Whether the connection is gone.
    package var isConnectionLost: Bool

    /// An error with the members that are known.
    package init(
        kind: Kind, attempted: String, sqlState: String? = nil, message: String, detail: String? = nil,
        hint: String? = nil, isConnectionLost: Bool = false
    ) {
        self.kind = kind
        self.attempted = attempted
        self.sqlState = sqlState
        self.message = message
        self.detail = detail
        self.hint = hint
        self.isConnectionLost = isConnectionLost
    }

    /// Whether the same call may succeed later without anybody changing anything.
    package var isTransient: Bool {
        guard let sqlState else { return kind == .connection || kind == .timeout }
        if Self.transientStates.contains(sqlState) { return true }
        return Self.transientClasses.contains(String(sqlState.prefix(2)))
    }

    /// Lock not available, serialization failure, deadlock, and the ways a server says that it is going or coming.
    private static let transientStates: Set<String> = ["40001", "40P01", "55P03", "57P01", "57P02", "57P03", "57P05"]
    /// Connection exceptions and insufficient resources.
    private static let transientClasses: Set<String> = ["08", "53"]
}

extension PostgresError: CustomStringConvertible, CustomDebugStringConvertible {
    /// Kind, code and attempt; never data, parameters or passwords.
    package var description: String {
        let code = sqlState.map { " \($0)" } ?? ""
        let lost = isConnectionLost && kind != .connection ? ", connection lost" : ""
        return "PostgreSQL \(kind.rawValue) error\(code) during \(attempted)\(lost)"
    }

    /// Everything that is known.
    package var debugDescription: String {
        var parts = ["\(description): \(message)"]
        if let detail { parts.append("DETAIL: \(detail)") }
        if let hint { parts.append("HINT: \(hint)") }
        if let constraint { parts.append("CONSTRAINT: \(constraint)") }
        if let position { parts.append("POSITION: \(position)") }
        if let context { parts.append("CONTEXT: \(context)") }
        return parts.joined(separator: "\n")
    }
}
