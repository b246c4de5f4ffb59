package import Postgres
import Runtime

/// Brings a database to the state that the SQL files describe, and tells how far it is from it.
package struct Migrator: Sendable {
    /// What may be chosen; the defaults suit everyone.
    package struct Options: Sendable {
        /// The longest wait for another migration of the same database.
        package var lockWait: Duration = .seconds(600)
        /// The longest a statement queues for one lock, with others queueing behind it.
        package var lockTimeout: Duration = .seconds(2)
        /// How long a file is tried again when a table is busy.
        package var retryFor: Duration = .seconds(120)
        /// Recorded in the ledger.
        package var toolVersion: String
        /// Loads functions, views and the rest again even if nothing changed.
        package var reloadsAlways = false

        package init(toolVersion: String) { self.toolVersion = toolVersion }
    }

    /// What `up` did.
    package struct Outcome: Sendable, Equatable {
        /// Names of the migrations applied now, in order.
        package var applied: [String] = []
        /// How many files were reloaded; nil when nothing had changed.
        package var reloaded: Int?
        /// Functions and views that no file names any longer and that were dropped.
        package var dropped: [String] = []
        /// The same, but something of the user's depends on them.
        package var kept: [String] = []

        /// Whether the database was what it should be already.
        package var changedNothing: Bool { applied.isEmpty && reloaded == nil }
    }

    private let source: SQLSource
    private let database: PostgresConfiguration
    let options: Options
    private let onEvent: @Sendable (MigrationEvent) -> Void

    /// A migrator; nothing is read or opened yet.
    package init(
        source: SQLSource = .embedded, database: PostgresConfiguration, options: Options,
        onEvent: @escaping @Sendable (MigrationEvent) -> Void = { _ in }
    ) {
        self.source = source
        self.database = database
        self.options = options
        self.onEvent = onEvent
    }

    /// Applies what is pending and reloads what changed; a second call changes nothing.
    /// - Throws: `MigrationFault`, or `PostgresError` when the connection is not there or breaks.
    package func up() async throws -> Outcome {
        let files = try source.files()
        let migrations = try MigrationFile.all(in: files)
        return try await withSession { session in
            let lock = try await takeLock(session)
            var outcome = Outcome()
            try await apply(migrations, in: session, &outcome)
            let reload = Reload(session: session, files: files)
            try await reload.run(force: options.reloadsAlways || !outcome.applied.isEmpty, &outcome)
            try await maintainPartitions(session)
            try await lock.release()
            return outcome
        }
    }

    /// Waits for the lock of all migrations of a database.
    func takeLock(_ session: MigrationSession) async throws -> MigrationLock {
        let lock = try await MigrationLock.take(session.connection, limit: options.lockWait) {
            onEvent(.waiting(holder: $0))
        }
        try await lock.prove()
        return lock
    }

    private func apply(_ migrations: [MigrationFile], in session: MigrationSession, _ outcome: inout Outcome)
        async throws
    {
        let entries = try await Preflight.readable(session.connection) { try await Ledger.entries(session.connection) }
        let comparison = LedgerComparison(files: migrations, entries: entries)
        if let fault = comparison.faults.first { throw fault }
        if !entries.isEmpty { try await Preflight.checkOwner(session.connection) }
        for (index, migration) in comparison.pending.enumerated() {
            onEvent(.applying(name: migration.name, index: index + 1, count: comparison.pending.count))
            let begun = Monotonic.now()
            try await MigrationRun(session: session, migration: migration).apply()
            outcome.applied.append(migration.name)
            onEvent(.applied(name: migration.name, duration: Monotonic.now() - begun))
        }
    }

    /// Makes the partitions of the next days, so that a fresh database takes rows at once.
    private func maintainPartitions(_ session: MigrationSession) async throws {
        let exists = try await session.connection.query(
            "select to_regprocedure('monitoring.maintain_partitions()') is not null")
        guard exists.scalar == "t" else { return }
        onEvent(.preparingPartitions)
        try await session.connection.execute("set role monitoring_owner")
        try await session.connection.execute("call monitoring.maintain_partitions()")
        try await session.connection.execute("reset role")
    }

    /// Opens a session, runs `body` and closes the session, whatever happens.
    func withSession<R>(_ body: (MigrationSession) async throws -> R) async throws -> R {
        let session = try await MigrationSession.open(database, options, onEvent: onEvent)
        do {
            let result = try await body(session)
            await session.connection.close()
            return result
        } catch {
            await session.connection.close()
            throw error
        }
    }

    /// Reads all files and the ledger without changing or locking anything.
    func compared(_ session: MigrationSession, _ files: [SQLFile]) async throws -> LedgerComparison {
        let entries = try await Preflight.readable(session.connection) { try await Ledger.entries(session.connection) }
        return LedgerComparison(files: try MigrationFile.all(in: files), entries: entries)
    }

    /// All files of the source.
    func files() throws(MigrationFault) -> [SQLFile] { try source.files() }
}
