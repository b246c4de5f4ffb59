import Postgres
import Runtime

/// One migration being applied.
struct MigrationRun {
    let session: MigrationSession
    let migration: MigrationFile

    private var connection: PostgresConnection { session.connection }

    /// Applies the file and writes its row of the ledger.
    /// - Throws: `MigrationFault` that names the file and line.
    func apply() async throws {
        do {
            if migration.runsInTransaction {
                try await inTransaction()
            } else {
                try await outsideTransaction()
            }
        } catch let failure as StatementFailure {
            let consequence =
                migration.runsInTransaction
                ? "nothing of \(migration.name) was applied" : "\(migration.name) is not recorded as applied"
            throw failure.fault(consequence: consequence)
        }
    }

    private func inTransaction() async throws {
        let meets = migration.directives.contains(.asInstaller)
        try await session.transaction(named: migration.name, meetsOtherDatabases: meets) {
            let begun = Monotonic.now()
            if !meets { try await connection.execute("set local role monitoring_owner") }
            try await connection.run(migration.statements, of: migration.file.path)
            try await record(since: begun, note: "")
        }
    }

    /// Runs the one statement by itself, then records it.
    ///
    /// Killed in between, the statement runs a second time: it has to bear that, for instance by `if not exists`.
    private func outsideTransaction() async throws {
        let begun = Monotonic.now()
        if !migration.directives.contains(.asInstaller) { try await connection.execute("set role monitoring_owner") }
        var note = " (outside a transaction)"
        if let index = ConcurrentIndex(migration.statements.first), try await index.isLeftInvalid(connection) {
            session.onEvent(.repairing(index: index.name))
            try await connection.execute("drop index concurrently if exists \(index.name)")
            note = " (outside a transaction; the invalid index \(index.name) of an interrupted run was built again)"
        }
        // What runs concurrently waits for other transactions but holds nobody up; anything else must not queue for long.
        let words = migration.statements.first?.leadingWords() ?? []
        let isPatient = words.contains("concurrently") || words.first == "vacuum"
        let limit = isPatient ? 0 : session.options.lockTimeout.millisecondsRoundedUp
        try await connection.execute("set lock_timeout = \(limit)")
        try await session.retrying(migration.name) {
            try await connection.run(migration.statements, of: migration.file.path)
        }
        try await connection.execute("reset role; set lock_timeout = 0")
        try await session.transaction(named: migration.name) { try await record(since: begun, note: note) }
    }

    private func record(since begun: ContinuousClock.Instant, note: String) async throws {
        try await connection.execute("set local role monitoring_owner")
        try await Ledger.record(
            migration, note: note, duration: Monotonic.now() - begun, toolVersion: session.options.toolVersion,
            connection)
    }
}

/// The index that `create index concurrently` names.
struct ConcurrentIndex {
    /// With the schema of its table, as an index always has it.
    let name: String

    /// Nil when the statement builds no named index concurrently.
    init?(_ statement: SQLStatement?) {
        guard let words = statement?.leadingWords(16), words.first == "create",
            let concurrently = words.prefix(5).firstIndex(of: "concurrently"),
            words.prefix(concurrently).contains("index"), let on = words.firstIndex(of: "on")
        else { return nil }
        let named = words[(concurrently + 1)..<on].filter { !["if", "not", "exists"].contains($0) }
        guard let index = named.first, let table = words.dropFirst(on + 1).first(where: { $0 != "only" }) else {
            return nil
        }
        let schema = table.split(separator: ".").dropLast().joined(separator: ".")
        let name = schema.isEmpty ? index : "\(schema).\(index)"
        // Our files quote no names; one that did would be left to the server.
        guard !name.contains("\"") else { return nil }
        self.name = name
    }

    /// Whether an interrupted build left it behind; `if not exists` would take it for a good one.
    func isLeftInvalid(_ connection: PostgresConnection) async throws(PostgresError) -> Bool {
        let rows = try await connection.query(
            "select from pg_catalog.pg_index where indexrelid = to_regclass($1) and not indisvalid", [name])
        return !rows.isEmpty
    }
}
