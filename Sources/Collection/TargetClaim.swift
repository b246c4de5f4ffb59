import Postgres

/// A collector leased to this process for a database that is not the store's own.
struct TargetClaim: Sendable, Equatable {
    let collection: ClaimedCollection
    let targetDatabaseID: Int
    let targetName: String

    /// Reads a row of `claim_target_collections`.
    init(row: PostgresRow) throws(PostgresError) {
        collection = try ClaimedCollection(row: row)
        targetDatabaseID = try row.decode("target_database_id", as: Int.self)
        targetName = try row.decodeIfPresent("target_name", as: String.self) ?? ""
    }

    /// What status changes are remembered under.
    var title: String { "\(collection.name) on \(targetName) (\(targetDatabaseID))" }
}

/// One of the statements of a collection, or a candidate that the target is to be asked about first.
struct PlannedQuery: Sendable, Equatable {
    let query: String
    let statement: String?
    let candidate: Int?
    let body: String?

    /// Reads a row of `plan_collection`.
    init(row: PostgresRow) throws(PostgresError) {
        query = try row.decode("query", as: String.self)
        statement = try row.decodeIfPresent("statement", as: String.self)
        candidate = try row.decodeIfPresent("candidate", as: Int.self)
        body = try row.decodeIfPresent("body", as: String.self)
    }
}

/// What one statement gave, in the target's own text, which the store reads.
struct TargetAnswer: Sendable, Equatable {
    let rowsRead: String?
    let folded: String?
    let excluded: String?
    let gaps: String?
    let metrics: String?
    let labels: String?
    let values: String?
    let rows: String?

    /// Reads the one row that every statement gives.
    init(row: PostgresRow) {
        rowsRead = row["rows_read"]
        folded = row["folded"]
        excluded = row["excluded"]
        gaps = row["gaps"]
        metrics = row["metric"]
        labels = row["labels"]
        values = row["value"]
        rows = row["rows"]
    }
}
