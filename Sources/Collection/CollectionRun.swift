import Postgres

/// How one run of a collector ended, as the database logged it.
package struct CollectionRun: Sendable, Equatable {
    /// The collector's name.
    package let name: String
    /// ok, skipped, unavailable, failed or timed_out.
    package let status: String
    /// Why it was not ok.
    package let reason: String?
    /// The statement that mends it, where one does.
    package let remedy: String?
    /// The failure's code.
    package let sqlState: String?
    /// Rows its queries gave.
    package let rows: Int
    /// Samples stored.
    package let samples: Int
    /// Things folded into another row by its cap.
    package let folded: Int
    /// How long it took, in seconds, by the database's clock.
    package let seconds: Double

    /// Reads a row of the run log.
    init(name: String, row: PostgresRow) throws(PostgresError) {
        self.name = name
        status = try row.decode("status", as: String.self)
        reason = row["reason"]
        remedy = row["remedy"]
        sqlState = row["sqlstate"]
        rows = try row.decode("rows_read", as: Int.self)
        samples = try row.decode("samples", as: Int.self)
        folded = try row.decode("folded", as: Int.self)
        seconds = try row.decode("duration_seconds", as: Double.self)
    }

    /// Whether everything was measured that could be.
    package var isOK: Bool { status == "ok" }
}
