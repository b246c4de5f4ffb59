import Postgres
import Runtime

/// Loads functions, views, policies, collectors, rules and grants: code that lives once and is replaced at each upgrade.
struct Reload {
    let session: MigrationSession
    let files: [SQLFile]

    private var connection: PostgresConnection { session.connection }

    /// The files it loads; migrations are none of them.
    static func reloadable(_ files: [SQLFile]) -> [SQLFile] { files.filter { !$0.path.hasPrefix("migrations/") } }

    /// Loads everything in one transaction, or nothing when the database holds exactly these files already.
    func run(force: Bool, _ outcome: inout Migrator.Outcome) async throws {
        let own = Self.reloadable(files)
        guard try await hasRecord() else { return }
        if !force, try await RecordedObjects.read(connection).matches(own, serverVersion: connection.serverVersion) {
            return
        }
        session.onEvent(.reloading(count: own.count))
        let begun = Monotonic.now()
        do {
            var (dropped, kept): ([String], [String]) = ([], [])
            try await session.transaction(named: "the reload", meetsOtherDatabases: false) {
                (dropped, kept) = try await load(own)
            }
            outcome.dropped = dropped
            outcome.kept = kept
        } catch let failure as StatementFailure {
            throw failure.fault(consequence: "the functions and views in force are still the old ones")
        }
        outcome.reloaded = own.count
        session.onEvent(.reloaded(duration: Monotonic.now() - begun))
    }

    /// Without the first migrations there is nothing to reload into.
    private func hasRecord() async throws(PostgresError) -> Bool {
        try await connection.query("select to_regclass('monitoring_internal.reloaded_objects') is not null").scalar
            == "t"
    }

    private func load(_ own: [SQLFile]) async throws -> (dropped: [String], kept: [String]) {
        try await connection.execute("set local role monitoring_owner; set local check_function_bodies = off")
        let before = try await RecordedObjects.read(connection)
        let untouched = try await Routines.present(connection)
        try await loadInPasses(own.filter { $0.path.hasPrefix("functions/") || $0.path.hasPrefix("views/") })
        let stray = try await Routines.present(connection).filter { untouched[$0.key] == $0.value }.map(\.key)
        try await Routines.validate(connection)
        for file in own where file.path.hasPrefix("policies/") { try await run(file) }
        try await loadCollectors(own.filter { $0.path.hasPrefix("collectors/") })
        try await loadRules(own.filter { $0.path.hasPrefix("rules/") })
        let vanished = try await dropVanished(stray, recorded: before)
        for file in own where !file.path.contains("/") { try await run(file) }
        try await RecordedObjects.write(own, except: Set(stray), connection)
        return vanished
    }

    private func run(_ file: SQLFile) async throws {
        try await connection.run(StatementSplitter.statements(of: file.text), of: file.path)
    }

    /// Loads files whose order nobody wrote down: what names something that is not there yet waits for the next pass.
    private func loadInPasses(_ files: [SQLFile]) async throws {
        var waiting = files
        while !waiting.isEmpty {
            var later: [(file: SQLFile, failure: StatementFailure)] = []
            for file in waiting {
                try await connection.execute("savepoint file")
                do {
                    try await run(file)
                } catch let failure as StatementFailure where Self.isNotThereYet(failure.cause) {
                    try await connection.execute("rollback to savepoint file")
                    later.append((file, failure))
                }
                try await connection.execute("release savepoint file")
            }
            if later.count == waiting.count, let first = later.first { throw first.failure }
            waiting = later.map(\.file)
        }
    }

    /// Undefined table, function, object, schema or column of a relation that is still the old one.
    private static func isNotThereYet(_ error: PostgresError) -> Bool {
        ["42P01", "42883", "42704", "42703", "3F000"].contains(error.sqlState)
    }

    private func loadCollectors(_ files: [SQLFile]) async throws {
        guard !files.isEmpty else { return }
        let loader = "monitoring_internal.load_collector"
        let exists = try await connection.query("select to_regprocedure('\(loader)(text, text)') is not null")
        guard exists.scalar == "t" else { return }
        try await forgetCollectors(except: files.map(\.name))
        for file in files {
            do throws(PostgresError) {
                _ = try await connection.query("select \(loader)($1, $2)", [file.name, file.text])
            } catch {
                throw StatementFailure(SQLStatement(text: "", line: 1), of: file.path, error)
            }
        }
    }

    /// First, so that a renamed file finds its metrics free.
    private func forgetCollectors(except names: [String]) async throws(PostgresError) {
        let forgetter = "monitoring_internal.forget_collectors"
        let exists = try await connection.query("select to_regprocedure('\(forgetter)(text[])') is not null")
        guard exists.scalar == "t" else { return }
        _ = try await connection.query("select \(forgetter)($1)", [RecordedObjects.arrayLiteral(names)])
    }

    /// After the collectors, whose metrics they name; a rule that no file names any longer is disabled.
    private func loadRules(_ files: [SQLFile]) async throws {
        for file in files { try await run(file) }
        let retirer = "monitoring_internal.retire_alert_rules"
        let exists = try await connection.query("select to_regprocedure('\(retirer)()') is not null")
        guard exists.scalar == "t" else { return }
        _ = try await connection.query("select \(retirer)()")
    }

    /// Drops functions that an earlier reload made and no file names any longer; never what depends on them.
    ///
    /// An overload that stayed behind would make calls ambiguous. What we did not make is not ours to drop.
    private func dropVanished(
        _ stray: [String], recorded: RecordedObjects
    ) async throws -> (dropped: [String], kept: [String]) {
        var (dropped, kept): ([String], [String]) = ([], [])
        for routine in stray.sorted() where recorded.holdsRoutine(routine) {
            try await connection.execute("savepoint vanished")
            do throws(PostgresError) {
                try await connection.execute("drop routine \(routine) restrict")
                dropped.append(routine)
            } catch {
                guard error.sqlState == "2BP01" else { throw error }
                try await connection.execute("rollback to savepoint vanished")
                kept.append(routine)
            }
            try await connection.execute("release savepoint vanished")
        }
        return (dropped, kept)
    }
}
