import Archiving
import Postgres
import Runtime

extension Command {
    /// `pgvigil maintenance`: upkeep that no function can do.
    static let maintenance = Command(
        name: "maintenance",
        summary: "rebuild indexes that are invalid or bloated",
        subcommands: [
            Command(
                name: "reindex", summary: "rebuild indexes that need it, one after the other",
                options: [.dsn, .flag("list", "only show what would be rebuilt, and why")],
                details: [
                    "The login must be a member of monitoring_owner: status 67 says so. A service",
                    "whose login is one does the same each hour. History: monitoring.index_rebuilds.",
                ],
                body: { try await MaintenanceCommand($0).reindex() })
        ])
}

extension ExitStatus {
    /// The login may not act as the owner of the tables.
    static let notOwner = ExitStatus(code: 67)
}

/// The commands of upkeep.
private struct MaintenanceCommand {
    private let invocation: Invocation

    init(_ invocation: Invocation) { self.invocation = invocation }

    func reindex() async throws -> ExitStatus {
        if invocation.flag("list") { return try await list() }
        let rebuilder = IndexRebuilder(
            configuration: invocation.database(applicationName: "pgvigil maintenance"),
            shutdown: invocation.shutdown, log: Log(level: .error, format: .text))
        do {
            let outcomes = try await invocation.shutdown.withCancellationOnRequest { try await rebuilder.round() }
            for outcome in outcomes {
                Terminal.print(outcome.statement + (outcome.error.map { ": \($0)" } ?? ": done"))
            }
            if outcomes.isEmpty { Terminal.print("no index needs to be rebuilt") }
            return outcomes.allSatisfy { $0.error == nil } ? .ok : .failed
        } catch let error as PostgresError where error.sqlState == "42501" {
            throw CommandFault(
                .notOwner, "the login may not act as monitoring_owner, to which the indexes belong",
                remedy: "run as the installer, or: grant monitoring_owner to LOGIN")
        }
    }

    private func list() async throws -> ExitStatus {
        let connection = try await PostgresConnection.connect(
            invocation.database(applicationName: "pgvigil maintenance"))
        do {
            let rows = try await connection.query("select * from monitoring_internal.list_rebuilds()")
            await connection.close()
            Terminal.print(rows.isEmpty ? "no index needs to be rebuilt" : TextTable(rows).text)
            return .ok
        } catch {
            await connection.close()
            throw error
        }
    }
}
