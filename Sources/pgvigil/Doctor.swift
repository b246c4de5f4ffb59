import Migrations
import Postgres

extension Command {
    /// `pgvigil doctor`: what is missing, and what mends it.
    static let doctor = Command(
        name: "doctor",
        summary: "find out what is missing, and the statement that mends it",
        options: [
            .dsn, .value("target", "NAME", "look at a watched server instead, where nothing is installed"), .keyFile,
            .sqlFolder, .json, .flag("all", "show the checks that found nothing too"),
        ],
        details: [
            "Looks at extension, settings, rights, roles, sessions and slots that hold",
            "back vacuum, indexes, archiving, partitions, jobs and collectors; at the way",
            "to the server, the clocks, the disk and the schema. Changes nothing.",
            "Exit status 40 when there is a warning or an error.",
        ],
        body: { try await DoctorCommand(invocation: $0).run() })
}

extension ExitStatus {
    /// The doctor found something that should be mended.
    static let ailing = ExitStatus(code: 40)
}

/// Asks the server and the machine, and prints what they say.
private struct DoctorCommand {
    let invocation: Invocation

    func run() async throws -> ExitStatus {
        if let name = invocation.value("target") {
            return show(DoctorReport(try await DoctorTarget(name, invocation).examine()))
        }
        let connection = try await PostgresConnection.connect(invocation.database(applicationName: "pgvigil doctor"))
        let report: DoctorReport
        do {
            report = DoctorReport(try await examine(connection))
        } catch {
            await connection.close()
            throw error
        }
        await connection.close()
        return show(report)
    }

    private func show(_ report: DoctorReport) -> ExitStatus {
        Terminal.print(invocation.flag("json") ? report.json : report.text(all: invocation.flag("all")))
        return report.status
    }

    private func examine(_ connection: PostgresConnection) async throws -> [DoctorFinding] {
        let machine = DoctorMachine(connection: connection)
        var findings = [try await machine.pooler(), try await machine.clock()]
        findings.append(try await DoctorMachine.schema(MigrateReports.migrator(invocation)))
        do {
            let rows = try await connection.query("select * from monitoring.doctor()", timeout: .seconds(60))
            findings += rows.map(DoctorFinding.init)
            findings += try await machine.disks()
        } catch let error as PostgresError {
            guard let finding = try await Self.finding(error, connection) else { throw error }
            findings += finding
        }
        return findings
    }

    /// A database without the function is a matter of the schema; one that refuses it, of rights.
    private static func finding(_ error: PostgresError, _ connection: PostgresConnection) async throws
        -> [DoctorFinding]?
    {
        switch error.sqlState {
        case "42883", "3F000", "42P01": return []
        case "42501":
            let role = try await connection.query("select quote_ident(session_user)").scalar ?? "the role"
            return [
                DoctorFinding(
                    check: "rights", severity: .error, subject: role,
                    finding: "role \(role) may not ask for findings: most checks were not made",
                    evidence: error.message, remedy: "grant monitoring_admin to \(role);",
                    place: "as superuser, or the role that installed pgvigil")
            ]
        default: return nil
        }
    }
}
