import Postgres

extension Migrator {
    /// How far a database is.
    package struct Status: Sendable {
        /// What the ledger holds, oldest first.
        package let applied: [LedgerEntry]
        /// Names of the migrations to come, in order.
        package let pending: [String]
        /// Reloadable files that changed, came or went since the last reload.
        package let changedFiles: [String]
        /// Functions in our schemas that no file names.
        package let strayFunctions: [String]
        /// What keeps `up` from going on.
        package let faults: [MigrationFault]

        /// What forbids a service to work on this database: a newer schema that is marked breaking.
        ///
        /// A newer schema that is not breaking may be served by an older program, so that instances can be replaced one
        /// by one; faults between files and ledger are a matter of `up`.
        package var servingFault: MigrationFault? {
            unknownBreaking ? faults.first { $0.kind == .newerSchema } : nil
        }

        /// Whether a migration that this program does not know is marked breaking.
        let unknownBreaking: Bool

        /// Whether `up` would change nothing.
        package var isCurrent: Bool { pending.isEmpty && changedFiles.isEmpty && faults.isEmpty }
    }

    /// One file that `up` would apply.
    package struct PlannedFile: Sendable {
        package let migration: MigrationFile
        package let locks: [LockFact]
    }

    /// What `up` would do.
    package struct Plan: Sendable {
        package let files: [PlannedFile]
        /// Reloadable files that changed; all are loaded again when there is one, or a migration.
        package let changedFiles: [String]
        /// How many files a reload loads.
        package let reloadCount: Int
    }

    /// Reads how far the database is; changes and locks nothing.
    package func status() async throws -> Status {
        let files = try files()
        return try await withSession { session in
            let comparison = try await compared(session, files)
            let record = try await record(session)
            return Status(
                applied: comparison.applied, pending: comparison.pending.map(\.name),
                changedFiles: Self.changes(files, record),
                strayFunctions: try await Self.strayFunctions(session, record), faults: comparison.faults,
                unknownBreaking: comparison.unknownBreaking)
        }
    }

    /// Says what `up` would do, with what it would lock; changes nothing.
    /// - Throws: `MigrationFault` for whatever would stop `up`.
    package func plan() async throws -> Plan {
        let files = try files()
        return try await withSession { session in
            let comparison = try await compared(session, files)
            if let fault = comparison.faults.first { throw fault }
            var facts = LockFacts()
            let planned = comparison.pending.map {
                PlannedFile(migration: $0, locks: facts.facts(of: $0.statements))
            }
            return Plan(
                files: planned, changedFiles: Self.changes(files, try await record(session)),
                reloadCount: Reload.reloadable(files).count)
        }
    }

    /// The record of the last reload, or nil when there was none.
    func record(_ session: MigrationSession) async throws -> RecordedObjects? {
        let exists = try await session.connection.query(
            "select to_regclass('monitoring_internal.reloaded_objects') is not null")
        guard exists.scalar == "t" else { return nil }
        return try await Preflight.readable(session.connection) { try await RecordedObjects.read(session.connection) }
    }

    /// Reloadable files that differ from what was loaded, with what happened to each.
    static func changes(_ files: [SQLFile], _ record: RecordedObjects?) -> [String] {
        let own = Reload.reloadable(files)
        let loaded = record?.files ?? [:]
        let present = Set(own.map(\.path))
        let changed = own.compactMap { file -> String? in
            guard let old = loaded[file.path] else { return "\(file.path) (new)" }
            return old == file.checksum ? nil : "\(file.path) (changed)"
        }
        return changed + loaded.keys.filter { !present.contains($0) }.sorted().map { "\($0) (gone)" }
    }

    /// Functions in our schemas that the last reload did not load.
    static func strayFunctions(_ session: MigrationSession, _ record: RecordedObjects?) async throws -> [String] {
        guard let record, !record.files.isEmpty else { return [] }
        return try await Routines.present(session.connection).keys.filter { !record.holdsRoutine($0) }.sorted()
    }
}
