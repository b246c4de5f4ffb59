import EmbeddedPostgres
import Glibc
import Postgres
import Runtime
import TestSupport
import Testing

/// What the service must withstand.
@Suite struct ServeFaultTests {
    @Test func theDatabaseIsRestartedAndKilledUnderTheService() async throws {
        try await TestCluster.withCluster { cluster in
            try await ServeProcess.with(["--dsn", cluster.conninfo(), "--migrate", "--page-cache", "50ms"]) {
                process, port in
                try await Self.waitForPage(process, port)
                for killed in [false, true] {
                    if killed {
                        try await cluster.killPostmaster()
                        try await process.eventually("it notices") {
                            try await HTTPTestClient.get("/metrics", port: port).status == 503
                        }
                        try await cluster.startServer()
                    } else {
                        try await cluster.restart()
                    }
                    #expect(try await HTTPTestClient.get("/healthz", port: port).status == 200)
                    try await Self.waitForPage(process, port)
                    try await Self.waitForCollection(process, cluster)
                }
                #expect(await process.stop() == .exited(0))
            }
        }
    }

    @Test func theServiceIsKilledAndStartedAgainOnTheSamePort() async throws {
        try await TestDatabase.withDatabase { database in
            let port = try freePort()
            for _ in 0..<3 {
                try await ServeProcess.with(["--dsn", database.conninfo], listen: "127.0.0.1:\(port)") {
                    process, port in
                    try await Self.waitForPage(process, port)
                    process.child.signal(SIGKILL)
                    #expect(await process.child.wait() == .killed(SIGKILL))
                }
            }
        }
    }

    @Test func twoServicesServeOneDatabase() async throws {
        try await TestDatabase.withDatabase { database in
            try await ServeProcess.with(["--dsn", database.conninfo]) { first, firstPort in
                try await ServeProcess.with(["--dsn", database.conninfo]) { second, secondPort in
                    try await Self.waitForPage(first, firstPort)
                    try await Self.waitForPage(second, secondPort)
                    #expect(await first.stop() == .exited(0))
                    #expect(try await HTTPTestClient.get("/metrics", port: secondPort).status == 200)
                    #expect(await second.stop() == .exited(0))
                }
            }
        }
    }

    @Test func theServersConnectionLimitIsReached() async throws {
        let options = EmbeddedCluster.Options(
            settings: ["max_connections": "20", "superuser_reserved_connections": "0"])
        try await TestCluster.withCluster(options) { cluster in
            try await ServeProcess.with(["--dsn", cluster.conninfo(), "--migrate", "--page-cache", "50ms"]) {
                process, port in
                try await Self.waitForPage(process, port)
                var taken: [PostgresConnection] = []
                while let connection = try? await PostgresConnection.connect(cluster.configuration()) {
                    taken.append(connection)
                }
                // The service loses its sessions and finds no place to come back to.
                _ = try await taken.first?.query(
                    "select pg_terminate_backend(pid) from pg_stat_activity where application_name like 'pgvigil exporter%'"
                )
                while let connection = try? await PostgresConnection.connect(cluster.configuration()) {
                    taken.append(connection)
                }
                let crowded = try await HTTPTestClient.get("/metrics", port: port)
                #expect(crowded.status == 503 || crowded.status == 200)
                #expect(try await HTTPTestClient.get("/healthz", port: port).status == 200)
                for connection in taken { await connection.close() }
                try await Self.waitForPage(process, port)
                #expect(await process.stop() == .exited(0))
            }
        }
    }

    @Test func sigtermLetsTheRunningJobFinish() async throws {
        try await TestDatabase.withDatabase { database in
            let folder = try TemporaryFolder()
            let jobs = try folder.write(Self.jobs("slow", "select pg_sleep(2)"), to: "jobs.yml")
            try await ServeProcess.with(["--dsn", database.conninfo, "--jobs", jobs]) { process, _ in
                let connection = try await database.connect()
                try await process.eventually("the job runs") {
                    try await connection.query(
                        """
                        select count(*) from pg_stat_activity
                        where datname = current_database() and query like 'select pg_sleep%' and state = 'active'
                        """
                    ).scalar != "0"
                }
                #expect(await process.stop() == .exited(0))
                let states = try await connection.query(
                    "select string_agg(distinct status, ',') from monitoring.job_runs where status not in ('skipped', 'missed')"
                )
                #expect(states.scalar == "succeeded")
                await connection.close()
            }
        }
    }

    @Test func aBadJobsFileAtReloadKeepsTheJobsInForce() async throws {
        try await TestDatabase.withDatabase { database in
            let folder = try TemporaryFolder()
            let path = try folder.write(Self.jobs("first", "select 1"), to: "jobs.yml")
            try await ServeProcess.with(["--dsn", database.conninfo, "--jobs", path]) { process, port in
                let connection = try await database.connect()
                let inForce = "select string_agg(name, ',' order by name) from monitoring.jobs where retired_at is null"
                try await process.eventually("the file is in force") {
                    try await connection.query(inForce).scalar == "first"
                }
                _ = try folder.write(
                    "version: 1\njobs:\n  - name: second\n    schedule: \"61 * * * *\"\n    sql: select 1\n"
                        + "    colour: red\n", to: "jobs.yml")
                process.child.signal(SIGHUP)
                try await process.eventually("the fault is logged with its line") {
                    process.log.contains("jobs.yml:6:") && process.log.contains("colour")
                }
                #expect(try await connection.query(inForce).scalar == "first")
                #expect(try await HTTPTestClient.get("/healthz", port: port).status == 200)
                _ = try folder.write(Self.jobs("third", "select 3"), to: "jobs.yml")
                process.child.signal(SIGHUP)
                try await process.eventually("the mended file is in force") {
                    try await connection.query(inForce).scalar == "third"
                }
                await connection.close()
                #expect(await process.stop() == .exited(0))
            }
        }
    }

    // MARK: Helpers

    private static func jobs(_ name: String, _ sql: String) -> String {
        "version: 1\njobs:\n  - name: \(name)\n    schedule: \"@every 1s\"\n    history: all\n    sql: \(sql)\n"
    }

    private static func waitForPage(_ process: ServeProcess, _ port: UInt16) async throws {
        try await process.eventually("a page") {
            let page = try await HTTPTestClient.get("/metrics", port: port)
            guard page.status == 200 else { return false }
            return try ExpositionParser.parse(page.text).contains { $0.name == "pgvigil_up" }
        }
    }

    /// Waits for a collection that began after now.
    private static func waitForCollection(_ process: ServeProcess, _ cluster: EmbeddedCluster) async throws {
        let connection = try await PostgresConnection.connect(
            cluster.configuration(), retrying: Backoff(), limit: .seconds(20))
        let start = try await connection.query("select clock_timestamp()").scalar
        try await process.eventually("a collection") {
            try await connection.query(
                "select count(*) from monitoring.collector_runs where started_at > $1::timestamptz", [start]
            ).scalar != "0"
        }
        await connection.close()
    }
}
