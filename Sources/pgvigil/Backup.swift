import EmbeddedPostgres
import Glibc
import Postgres
import Runtime

extension Command {
    /// `pgvigil backup`: whether backups can be restored.
    static let backup = Command(
        name: "backup",
        summary: "restore a base backup into a fresh server and compare",
        subcommands: [
            Command(
                name: "check", summary: "restore a base backup and compare its rows",
                options: [
                    .dsn, .value("backup", "DIR", "check a copy of this backup (default: take one now)"),
                    .value("work", "DIR", "where the restored server lives (default: /var/tmp)"),
                ],
                details: [
                    "Needs the right REPLICATION, the server's programs on this machine, and room for",
                    "the cluster. Status 65: it differs, or does not start; 66: none can be taken;",
                    "68: it was interrupted, which says nothing of the backup.",
                    "History: monitoring.backup_checks.",
                ],
                body: { try await BackupCommand($0).check() })
        ])
}

extension ExitStatus {
    /// The restored backup differs, or does not start.
    static let faultyBackup = ExitStatus(code: 65)
    /// No backup can be taken or restored here.
    static let noBackup = ExitStatus(code: 66)
}

/// Restores a backup into a server of its own and compares.
private struct BackupCommand {
    private let invocation: Invocation

    init(_ invocation: Invocation) { self.invocation = invocation }

    func check() async throws -> ExitStatus {
        let home = try await PostgresConnection.connect(invocation.database(applicationName: "pgvigil backup"))
        do {
            let status = try await check(home)
            await home.close()
            return status
        } catch {
            await home.close()
            throw error
        }
    }

    private func check(_ home: PostgresConnection) async throws -> ExitStatus {
        let backup = invocation.value("backup")
        if backup == nil, let obstacle = try await home.query("select monitoring_internal.backup_obstacle()").scalar {
            throw CommandFault(.noBackup, "no base backup can be taken: \(obstacle)")
        }
        let major = home.serverVersion / 10_000
        guard let binaries = try? await ServerBinaries.find(), binaries.majorVersion == major else {
            throw CommandFault(
                .noBackup, "the programs of PostgreSQL \(major) are not on this machine",
                remedy: "install postgresql-\(major), or name their folder by \(ServerBinaries.variable)")
        }
        let id = try await home.query(
            "select monitoring_internal.begin_backup_check($1)", [backup ?? "base backup"]
        ).scalar
        let progress = ProgressBar()
        var (before, after, restored, bytes, problem): (String?, String?, String?, String?, String?)
        do {
            (before, after, restored, bytes) = try await invocation.shutdown.withCancellationOnRequest {
                try await compared(home, backup, progress)
            }
        } catch {
            progress.finish()
            if invocation.shutdown.isRequested {
                _ = try await home.query("select monitoring_internal.interrupt_backup_check($1::bigint)", [id])
                throw CommandFault(.interrupted, "interrupted", remedy: "run it again to check the backup")
            }
            problem = "\(error)".split(whereSeparator: \.isNewline).suffix(3).joined(separator: " ")
        }
        progress.finish()
        let state = try await home.query(
            """
            select monitoring_internal.finish_backup_check(
                $1::bigint, $2::bigint, $3::jsonb, $4::jsonb, $5::jsonb, $6)
            """, [id, bytes, before, after, restored, problem]
        ).scalar
        return try await report(home, id, state, problem)
    }

    /// The rows of the home server before and after, and those of the restored one with its size.
    private func compared(
        _ home: PostgresConnection, _ backup: String?, _ progress: ProgressBar
    ) async throws -> (before: String?, after: String?, restored: String?, bytes: String?) {
        progress.show("counting rows", 0)
        let before = try await counts(home)
        let (restored, bytes) = try await restore(backup, try await login(home), progress)
        progress.show("counting rows again", 0.9)
        return (before, backup == nil ? try await counts(home) : nil, restored, bytes)
    }

    /// What the check found, in a line.
    private func report(
        _ home: PostgresConnection, _ id: String?, _ state: String?, _ problem: String?
    ) async throws -> ExitStatus {
        let row = try await home.query(
            "select * from monitoring_internal.backup_check_result($1::bigint)", [id]
        ).single()
        guard state == "passed" else {
            throw CommandFault(
                .faultyBackup, problem ?? "the restored backup differs: \(row["differences"] ?? "")",
                remedy: "see monitoring.backup_checks, number \(id ?? "")")
        }
        Terminal.print(
            "the backup was restored: \(row["table_count"] ?? "") tables, \(row["row_count"] ?? "") rows agree")
        return .ok
    }

    /// Where the server is, said in full: the backup runs with the account of the restored server.
    private func login(_ home: PostgresConnection) async throws -> (conninfo: String, database: String, user: String) {
        let row = try await home.query(
            """
            select current_database() as database, session_user as login, current_setting('port') as port,
                split_part(current_setting('unix_socket_directories'), ',', 1) as folder
            """
        ).single()
        let (database, user) = (row["database"] ?? "", row["login"] ?? "")
        var conninfo = invocation.home
        let values = conninfo.isEmpty ? [:] : try ConnectionText(conninfo).values
        if values["host"] == nil, values["hostaddr"] == nil { conninfo += " host=\(row["folder"] ?? "")" }
        if values["port"] == nil { conninfo += " port=\(row["port"] ?? "")" }
        if values["user"] == nil { conninfo += " user='\(user)'" }
        return (conninfo, database, user)
    }

    /// Restores into a private server, which is gone afterwards; the rows of each table there, and its size.
    private func restore(
        _ backup: String?, _ login: (conninfo: String, database: String, user: String), _ progress: ProgressBar
    ) async throws -> (counts: String?, bytes: String?) {
        progress.show(backup == nil ? "taking a base backup" : "copying the backup", 0.1)
        var template = Array("\(invocation.value("work") ?? "/var/tmp")/pgvigil-backup-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else {
            throw CommandFault(.noBackup, "cannot make a folder: \(String(cString: strerror(errno)))")
        }
        let folder = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
        // The server's account makes its own folder in it.
        chmod(folder, 0o777)
        do {
            let result = try await counts(in: "\(folder)/server", backup, login, progress)
            try await discard(folder)
            return result
        } catch {
            try await discard(folder)
            throw error
        }
    }

    private func discard(_ folder: String) async throws {
        _ = try await ChildProcess.run(["rm", "-rf", folder], environment: ["PATH": "/usr/bin:/bin"])
    }

    private func counts(
        in folder: String, _ backup: String?, _ login: (conninfo: String, database: String, user: String),
        _ progress: ProgressBar
    ) async throws -> (counts: String?, bytes: String?) {
        let cluster = try await EmbeddedCluster.start(
            EmbeddedCluster.Options(
                storage: .persistent(directory: folder),
                origin: backup.map { .copy(of: $0) } ?? .backup(of: login.conninfo),
                settings: ["archive_mode": "off", "autovacuum": "off"]))
        do {
            try Task.checkCancellation()
            progress.show("reading the restored server", 0.6)
            let connection = try await PostgresConnection.connect(
                cluster.configuration(database: login.database, user: login.user, applicationName: "pgvigil backup"))
            let found = try await counts(connection)
            let bytes = try await connection.query(
                "select sum(pg_database_size(oid))::bigint from pg_database"
            ).scalar
            await connection.close()
            await cluster.stop()
            return (found, bytes)
        } catch {
            await cluster.stop()
            throw error
        }
    }

    private func counts(_ connection: PostgresConnection) async throws(PostgresError) -> String? {
        try await connection.query(
            "select jsonb_object_agg(table_name, row_count) from monitoring_internal.backup_counts()"
        ).scalar
    }
}
