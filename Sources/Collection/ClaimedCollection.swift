import Postgres

/// A collector leased to this process, with the limits its statement runs under.
struct ClaimedCollection: Sendable, Equatable {
    let collectorID: Int
    let name: String
    /// The number of the claim; the database refuses a report with an older one.
    let fence: Int
    let statementTimeoutMilliseconds: Int
    let lockTimeoutMilliseconds: Int

    /// Reads a row of `claim_collections`.
    ///
    /// - Throws: a usage error when the row is of another shape.
    init(row: PostgresRow) throws(PostgresError) {
        collectorID = try row.decode("collector_id", as: Int.self)
        name = try row.decode("name", as: String.self)
        fence = try row.decode("fence", as: Int.self)
        statementTimeoutMilliseconds = try row.decode("statement_timeout_ms", as: Int.self)
        lockTimeoutMilliseconds = try row.decode("lock_timeout_ms", as: Int.self)
    }

    /// When we stop waiting for a server that does not even answer its own time limit.
    var patience: Duration { .milliseconds(statementTimeoutMilliseconds) + .seconds(3) }
}
