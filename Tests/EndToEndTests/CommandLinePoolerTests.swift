import EmbeddedPostgres
import Glibc
import Postgres
import Runtime
import TestSupport
import Testing

@Suite("Behind a pooler", .timeLimit(.minutes(1)))
struct CommandLinePoolerTests {
    @Test(
        "migrate refuses to work through PgBouncer, in either mode, and changes nothing",
        arguments: ["transaction", "session"])
    func refused(mode: String) async throws {
        try await TestDatabase.withDatabase(.empty) { database in
            let pooler = try Pooler(database, mode: mode)
            let report = try await pooler.whenReady {
                try await CommandLineProgram.run(["migrate", "up", "--dsn", pooler.conninfo])
            }
            pooler.child.signal(SIGTERM)
            _ = await pooler.child.wait()
            #expect(report.ending == .exited(8), "\(report.errors)")
            #expect(report.errors.hasPrefix("pgvigil: a connection pooler stands between pgvigil and the server"))
            #expect(report.errors.contains("connect to the server itself"))
            let connection = try await database.connect()
            let untouched = try await connection.query("select to_regnamespace('monitoring') is null").scalar
            #expect(untouched == "t")
            await connection.close()
        }
    }

    @Test(
        "serve refuses to work through PgBouncer, and doctor says what is in between",
        arguments: ["transaction", "session"])
    func servingIsRefused(mode: String) async throws {
        try await TestDatabase.withDatabase(.migrated) { database in
            let pooler = try Pooler(database, mode: mode)
            let (served, examined) = try await pooler.whenReady {
                (
                    try await CommandLineProgram.run(["serve", "--listen", "127.0.0.1:0", "--dsn", pooler.conninfo]),
                    try await CommandLineProgram.run(["doctor", "--dsn", pooler.conninfo])
                )
            }
            pooler.child.signal(SIGTERM)
            _ = await pooler.child.wait()
            #expect(served.ending == .exited(8), "\(served.errors)")
            #expect(served.errors.contains("a connection pooler stands between pgvigil and the server"))
            #expect(examined.ending == .exited(40), "\(examined.errors)")
            #expect(examined.output.contains("error: pooler: connection: a connection pooler stands between"))
        }
    }

    /// PgBouncer in front of a test's cluster, on a socket of its own.
    private struct Pooler {
        let child: ChildProcess
        let folder: String
        let conninfo: String

        init(_ database: Database, mode: String) throws {
            folder = "\(database.cluster.socketDirectory)/pooler-\(database.name)"
            conninfo = "host=\(folder) port=6432 user=postgres dbname=\(database.name)"
            mkdir(folder, 0o777)
            chmod(folder, 0o777)
            let settings = """
                [databases]
                \(database.name) = host=\(database.cluster.socketDirectory) port=5432 user=postgres
                [pgbouncer]
                listen_addr =
                listen_port = 6432
                unix_socket_dir = \(folder)
                auth_type = any
                pool_mode = \(mode)
                """
            guard let file = fopen("\(folder)/pooler.ini", "w") else {
                throw CommandLineProgram.Problem(description: "cannot write \(folder)/pooler.ini")
            }
            fputs(settings, file)
            fclose(file)
            // PgBouncer, like the server, refuses to run as root.
            let prefix =
                geteuid() == 0 ? ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups", "--"] : []
            child = try ChildProcess(
                prefix + ["/usr/sbin/pgbouncer", "-q", "\(folder)/pooler.ini"],
                environment: ["PATH": "/usr/local/bin:/usr/bin:/bin:/usr/sbin"], directory: folder,
                output: .file("\(folder)/log"), errors: .file("\(folder)/log"))
        }

        func whenReady<R>(_ body: () async throws -> R) async throws -> R {
            while access("\(folder)/.s.PGSQL.6432", F_OK) != 0 {
                guard child.ending == nil else {
                    throw CommandLineProgram.Problem(description: CommandLineProgram.read("\(folder)/log"))
                }
                try await ContinuousClock().sleep(for: .milliseconds(20))
            }
            return try await body()
        }
    }
}
