import EmbeddedPostgres
import Glibc
import Migrations
import Runtime

extension Command {
    /// The command that starts a private cluster, for trying and for scripts.
    static let embedded = Command(
        name: "embedded", summary: "start a private PostgreSQL server, for trying things out",
        operands: .rest("[-- COMMAND [ARGUMENT...]]"),
        options: [
            .value("state", "DIR", "keep the data in DIR and use it again"),
            .flag("migrate", "install pgvigil in it first"),
            .sqlFolder,
        ],
        details: [
            "Runs until it is stopped, or until COMMAND ends, whose exit status it then",
            "takes. COMMAND finds the server by PGHOST, PGPORT, PGUSER and PGDATABASE.",
            "The server listens on a Unix socket only and ends with this process.",
            "PGVIGIL_PG_BIN names the folder of another version's programs.",
        ],
        body: { invocation in try await EmbeddedCommand.run(invocation) })
}

private enum EmbeddedCommand {
    static func run(_ invocation: Invocation) async throws -> ExitStatus {
        let storage = invocation.value("state").map { EmbeddedCluster.Options.Storage.persistent(directory: $0) }
        let cluster: EmbeddedCluster
        do {
            cluster = try await EmbeddedCluster.start(EmbeddedCluster.Options(storage: storage ?? .temporary))
        } catch let error as EmbeddedPostgresError {
            let said = error.output.isEmpty ? "" : ": \(error.output)"
            throw CommandFault(.failed, error.message + said, remedy: error.remedy)
        }
        do {
            let status = try await use(cluster, invocation)
            await cluster.stop()
            return status
        } catch {
            await cluster.stop()
            throw error
        }
    }

    private static func use(_ cluster: EmbeddedCluster, _ invocation: Invocation) async throws -> ExitStatus {
        if invocation.flag("migrate") {
            let source = invocation.value("sql-dir").map { SQLSource.folder($0) } ?? .embedded
            _ = try await Migrator(
                source: source, database: cluster.configuration(applicationName: "pgvigil migrate"),
                options: Migrator.Options(toolVersion: Program.version)
            ).up()
        }
        guard invocation.operands.isEmpty else { return try await runCommand(cluster, invocation) }
        Terminal.print("PostgreSQL \(cluster.majorVersion) is ready; stop it with Ctrl-C")
        Terminal.print("conninfo: \(cluster.conninfo())")
        Terminal.print("psql:     \(cluster.psqlCommand())")
        await invocation.shutdown.wait()
        return .ok
    }

    /// Runs the user's command beside the server; a signal to us is a signal to it.
    private static func runCommand(_ cluster: EmbeddedCluster, _ invocation: Invocation) async throws -> ExitStatus {
        let child: ChildProcess
        do {
            child = try ChildProcess(
                invocation.operands, environment: environment(for: cluster), input: .inherited)
        } catch {
            throw CommandFault(.failed, error.description, remedy: "check the command's name and PATH")
        }
        return await withTaskGroup(of: ExitStatus?.self) { group in
            group.addTask {
                switch await child.wait() {
                case .exited(let code): ExitStatus(code: code)
                case .killed(let signal): ExitStatus(code: 128 + signal)
                }
            }
            group.addTask {
                await invocation.shutdown.wait()
                if !Task.isCancelled { child.signal(SIGTERM) }
                return nil
            }
            while let finished = await group.next() {
                guard let finished else { continue }
                group.cancelAll()
                return finished
            }
            return .failed
        }
    }

    /// Ours, with everything that libpq or pgvigil would connect by replaced.
    private static func environment(for cluster: EmbeddedCluster) -> [String: String] {
        let kept = ProcessEnvironment.variables().filter { name, _ in
            (!name.hasPrefix("PG") || name.hasPrefix("PGVIGIL_")) && name != CommandOption.dsn.environmentName
        }
        let own = [
            "PGHOST": cluster.socketDirectory, "PGPORT": "5432", "PGUSER": EmbeddedCluster.superuser,
            "PGDATABASE": "postgres",
        ]
        return kept.merging(own) { $1 }
    }
}
