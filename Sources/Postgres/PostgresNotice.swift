/// A notice or warning that the server sent beside its results.
package struct PostgresNotice: Sendable {
    /// NOTICE, WARNING, LOG, INFO or DEBUG, never translated.
    package let severity: String
    /// Five characters, `00000` for a plain notice.
    package let sqlState: String
    /// The text; it may hold data.
    package let message: String
}
