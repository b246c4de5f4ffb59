import EmbeddedPostgres
import Glibc
import Postgres
import Runtime
import TestSupport
import Testing

/// The built program on a real server: starting, refusing, ending.
@Suite struct ServeTests {
    @Test func servesStopsAtOnceAndLeavesNothingBehind() async throws {
        try await TestDatabase.withDatabase { database in
            try await ServeProcess.with(["--dsn", database.conninfo]) { process, port in
                #expect(try await HTTPTestClient.get("/readyz", port: port).text == "ready\n")
                let start = Monotonic.now()
                #expect(await process.stop() == .exited(0))
                #expect(Monotonic.now() - start < .seconds(15), "nothing runs, so nothing is waited for")
                let connection = try await database.connect()
                // A session's process ends a moment after its client has.
                let deadline = Monotonic.now() + .seconds(30)
                var left: String?
                while left != "0", Monotonic.now() < deadline {
                    left = try await connection.query(
                        """
                        select count(*) from pg_stat_activity
                        where datname = current_database() and pid <> pg_backend_pid()
                        """
                    ).scalar
                }
                #expect(left == "0")
                await connection.close()
            }
        }
    }

    @Test func aTakenPortIsOneLineWithARemedyAndItsOwnStatus() async throws {
        try await TestDatabase.withDatabase { database in
            try await ServeProcess.with(["--dsn", database.conninfo]) { _, port in
                let report = try await ServeProcess.refused(
                    ["--dsn", database.conninfo, "--listen", "127.0.0.1:\(port)"])
                #expect(report.ending == .exited(14))
                #expect(
                    report.output == "pgvigil: cannot listen on 127.0.0.1:\(port): Address already in use; "
                        + "choose another address with --listen HOST:PORT or PGVIGIL_LISTEN\n")
            }
        }
    }

    @Test func refusesADatabaseThatIsNotMigratedOrNewer() async throws {
        try await TestDatabase.withDatabase(.empty) { database in
            let report = try await ServeProcess.refused(["--dsn", database.conninfo, "--listen", "127.0.0.1:0"])
            #expect(report.ending == .exited(3))
            #expect(report.output.contains("run: pgvigil migrate up"), "\(report.output)")
        }
        try await TestDatabase.withDatabase { database in
            let connection = try await database.connect()
            try await connection.execute(
                """
                insert into monitoring.schema_migrations (version, name, checksum, tool_version, is_breaking)
                values ('9999', '9999_future', repeat('0', 64), '99', true)
                """)
            await connection.close()
            let report = try await ServeProcess.refused(["--dsn", database.conninfo, "--listen", "127.0.0.1:0"])
            #expect(report.ending == .exited(12), "\(report.output)")
        }
    }

    @Test func wrongOptionsAndAMissingServerAreTold() async throws {
        let unreachable = try await ServeProcess.refused(
            ["--dsn", "host=127.0.0.1 port=1 connect_timeout=2", "--listen", "127.0.0.1:0"])
        #expect(unreachable.ending == .exited(5), "\(unreachable.output)")
        let listen = try await ServeProcess.refused(["--listen", "nonsense"])
        #expect(listen.ending == .exited(2))
        #expect(listen.output.contains("--listen must be HOST:PORT"), "\(listen.output)")
        let both = try await ServeProcess.refused(["--embedded", "/tmp/x", "--dsn", "host=x"])
        #expect(both.ending == .exited(2))
    }

    @Test func aJobsFileThatIsWrongFromTheStartIsRefusedWithEveryFault() async throws {
        let folder = try TemporaryFolder()
        let path = try folder.write(
            "version: 1\njobs:\n  - name: a\n    schedule: \"* * * * *\"\n    sql: select 1\n    colour: red\n"
                + "  - name: a\n    schedule: \"* * * * *\"\n    sql: select 1\n", to: "jobs.yml")
        let report = try await ServeProcess.refused(["--jobs", path, "--dsn", "host=/nowhere"])
        #expect(report.ending == .exited(2))
        #expect(report.output.contains("\(path):6:"), "\(report.output)")
        #expect(report.output.contains("\(path):7:"), "\(report.output)")
    }

    @Test func theEmbeddedServerKeepsItsDataAndEndsWithTheService() async throws {
        let folder = try TemporaryFolder()
        let directory = "\(folder.path)/state"
        for start in 1...2 {
            try await ServeProcess.with(["--embedded", directory]) { process, port in
                try await process.eventually("measurements of start \(start)") {
                    let page = try await HTTPTestClient.get("/metrics", port: port)
                    return page.text.contains("pg_stat_database_xact_commit{") && page.status == 200
                }
                #expect(try await Self.superuserSessions(in: directory) == "0", "jobs run with the service's rights")
                #expect(await process.stop() == .exited(0))
            }
            let pidFile = TemporaryFolder.read("\(directory)/data/postmaster.pid")
            #expect(pidFile.isEmpty, "the server ended with the service")
        }
    }

    /// How many sessions of the service are a superuser's.
    private static func superuserSessions(in directory: String) async throws -> String? {
        let connection = try await PostgresConnection.connect(
            PostgresConfiguration(
                conninfo: "host='\(directory)' dbname=pgvigil user=postgres", applicationName: "test"))
        let rows = try await connection.query(
            "select count(*) filter (where rolsuper) from pg_stat_activity inner join pg_roles on rolname = usename "
                + "where application_name like 'pgvigil%' and application_name <> 'pgvigil admin' having count(*) > 0")
        await connection.close()
        return rows.first?[0]
    }
}
