import Postgres

/// A database of a target as the store describes it at each claim: how it is reached, and by how many sessions.
struct TargetDescription: Sendable, Equatable {
    let targetID: Int
    let targetName: String
    /// Nil: a database of the server that the store itself is in.
    let conninfo: String?
    let database: String
    let sealedSecret: String?
    /// What the secret was sealed for.
    let sealContext: String
    /// The most sessions on the target.
    let sessionLimit: Int
    /// Whether the server is to be asked again what it is.
    let factsAreDue: Bool
    let connectLimit: Duration

    /// Reads a row of `open_target`.
    init(row: PostgresRow) throws(PostgresError) {
        targetID = try row.decode("target_id", as: Int.self)
        targetName = try row.decode("target_name", as: String.self)
        conninfo = try row.decodeIfPresent("conninfo", as: String.self)
        database = try row.decode("datname", as: String.self)
        sealedSecret = try row.decodeIfPresent("sealed_secret", as: String.self)
        sealContext = try row.decodeIfPresent("seal_context", as: String.self) ?? ""
        sessionLimit = max(1, try row.decode("max_connections", as: Int.self))
        factsAreDue = try row.decode("facts_are_due", as: Bool.self)
        connectLimit = .milliseconds(try row.decode("connect_timeout_ms", as: Int.self))
    }

    /// What a kept session must have been opened with to be of use.
    var access: TargetAccess {
        TargetAccess(targetID: targetID, database: database, means: "\(conninfo ?? "")\n\(sealedSecret ?? "")")
    }
}

/// Which sessions can stand for one another.
struct TargetAccess: Sendable, Hashable {
    let targetID: Int
    let database: String
    /// The connection string and the sealed secret, as opaque text: a changed one makes old sessions useless.
    let means: String
}
