import EmbeddedPostgres
import Glibc
import Postgres
import Runtime
import TestSupport
import Testing

/// What the machine around the service may say, and must not decide.
@Suite("The service's surroundings", .serialized, .timeLimit(.minutes(4)))
struct SurroundingsTests {
    #if arch(arm64)
        private static let fakeClock = "/usr/lib/aarch64-linux-gnu/faketime/libfaketimeMT.so.1"
    #else
        private static let fakeClock = "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1"
    #endif

    /// The library sets a variable when it first starts, which Swift takes ill as it looks for a program's arguments.
    private static let env = ["/usr/bin/env"]

    @Test("variables of libpq say where the service's own database is, and lead no connection to a target")
    func environment() async throws {
        try await RemoteServer.with { server in
            try await server.makeWatcher()
            try await Watch.with { watch in
                try await watch.add("north", server.conninfo())
                let services = try watch.folder.write(
                    """
                    [home]
                    host=\(watch.database.cluster.socketDirectory)
                    port=\(watch.database.cluster.port)
                    user=service_of_\(watch.database.name)

                    """, to: "services")
                let environment = [
                    "PGSERVICE": "home", "PGSERVICEFILE": services, "PGDATABASE": watch.database.name,
                    "PGUSER": "nobody", "PGPASSWORD": "the store's", "PGOPTIONS": "-c work_mem=5MB",
                    "PGPASSFILE": "\(watch.folder.path)/none", "PGVIGIL_DSN": "",
                ]
                let answer = try await CommandLineProgram.run(["jobs", "list"], environment: environment)
                #expect(answer.ending == .exited(0), "\(answer.errors)")
                // An address there would stand in for the host that a target's connection names.
                let dsn = watch.service + " hostaddr=''"
                try await ServeProcess.with(
                    ["--dsn", dsn, "--key-file", watch.keyFile],
                    environment: environment.merging(["PGHOSTADDR": "127.0.0.9"]) { $1 }
                ) { process, _ in
                    try await watch.waits(process, for: "ok", of: "north")
                    let connection = try await server.connect()
                    let settings = try await connection.query(
                        "select count(*) from pg_stat_activity where usename = 'watcher'")
                    #expect(settings.scalar != "0")
                    await connection.close()
                }
            }
        }
    }

    @Test(
        "with the clock of its machine a minute off, collections and jobs go on by the database's, and the doctor tells",
        .enabled(if: access(fakeClock, R_OK) == 0, "libfaketime is not installed: make test-deps"))
    func clock() async throws {
        // Ahead and not behind: of a clock that is behind the library makes every sleep of Swift's runtime a minute longer,
        // since it fakes the clock that counts on through suspension and not the timers on it. No machine does that.
        let off = ["LD_PRELOAD": Self.fakeClock, "FAKETIME": "+60s", "FAKETIME_DONT_FAKE_MONOTONIC": "1"]
        try await RemoteServer.with { server in
            try await server.makeWatcher()
            try await Watch.with { watch in
                try await watch.add("north", server.conninfo())
                _ = try await watch.scalar(
                    "select monitoring.schedule_job('tick', '@every 1s', 'select 1', history => 'all')")
                try await ServeProcess.with(
                    ["--dsn", watch.service, "--key-file", watch.keyFile], environment: off, through: Self.env
                ) { process, _ in
                    for server in ["local", "north"] {
                        try await watch.becomesTrue(
                            process,
                            """
                            select count(*) >= 3 and bool_and(run.started_at > clock_timestamp() - interval '50 s')
                            from monitoring.collector_runs as run
                            inner join monitoring.target_databases as place using (target_database_id)
                            inner join monitoring.targets as target using (target_id)
                            where target.name = '\(server)' and run.status = 'ok'
                            """)
                    }
                    try await watch.becomesTrue(
                        process,
                        """
                        select count(*) >= 3 and bool_and(run.started_at >= run.slot)
                            and bool_and(run.started_at < run.slot + interval '50 s')
                        from monitoring.job_runs as run where run.status = 'succeeded'
                        """)
                }
                let report = try await ChildProcess.run(
                    Self.env + [ServeProcess.program, "doctor", "--dsn", watch.service],
                    environment: CommandLineProgram.environment(off))
                #expect(report.output.contains(/warning: clock: .*the server's clock is (59|6[0-9])[0-9]{3} ms behind/))
            }
        }
    }
}
