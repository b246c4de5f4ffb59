import Postgres
import Runtime

/// One migration being undone.
struct RollbackRun {
    let session: MigrationSession
    let rollback: Rollback
    /// Whether functions, views, policies and triggers go first: true for the first migration of a call.
    let dropsCode: Bool

    private var connection: PostgresConnection { session.connection }

    /// Applies the down file and takes the migration's row out of the ledger.
    /// - Throws: `MigrationFault` that names the file and line.
    func run() async throws {
        do {
            if rollback.down.runsInTransaction {
                try await inTransaction()
            } else {
                try await outsideTransaction()
            }
        } catch let failure as StatementFailure {
            throw failure.fault(
                consequence: "nothing of \(rollback.migration.name) was undone", command: "migrate down")
        }
    }

    private var actsAsInstaller: Bool { rollback.down.directives.contains(.asInstaller) }

    private func inTransaction() async throws {
        try await session.transaction(named: rollback.down.name) {
            try await connection.execute("set local role monitoring_owner")
            if dropsCode { try await LoadedCode.drop(connection) }
            if actsAsInstaller { try await connection.execute("set local role none") }
            try await connection.run(rollback.down.statements, of: rollback.down.file.path)
            try await forget()
        }
    }

    /// Killed between the statement and the ledger, the statement runs a second time and has to bear that.
    private func outsideTransaction() async throws {
        if dropsCode {
            try await session.transaction(named: rollback.down.name) {
                try await connection.execute("set local role monitoring_owner")
                try await LoadedCode.drop(connection)
            }
        }
        if !actsAsInstaller { try await connection.execute("set role monitoring_owner") }
        try await session.retrying(rollback.down.name) {
            try await connection.run(rollback.down.statements, of: rollback.down.file.path)
        }
        try await connection.execute("reset role")
        try await session.transaction(named: rollback.down.name) { try await forget() }
    }

    private func forget() async throws {
        try await connection.execute("set local role monitoring_owner")
        try await Ledger.remove(rollback.migration, connection)
    }
}
