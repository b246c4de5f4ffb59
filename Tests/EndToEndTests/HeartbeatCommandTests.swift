import EmbeddedPostgres
import Postgres
import Runtime
import TestSupport
import Testing

/// The dead man's switch from its command to its arrival, and its silence when the chain breaks.
@Suite struct HeartbeatCommandTests {
    @Test(
        "a sign of life is sent while measuring, evaluating and delivering work, and no longer when one of them stops")
    func beats() async throws {
        let key = try await CommandLineProgram.run(["key", "new"])
        let environment = ["PGVIGIL_KEY": String(key.lines.first ?? "")]
        let folder = try TemporaryFolder()
        let jobs = try folder.write(
            """
            version: 1
            jobs:
              - name: evaluate-alerts
                schedule: "@every 1s"
                sql: select monitoring.evaluate_alerts()
            """, to: "jobs.yml")
        try await TestDatabase.withDatabase { database in
            let admin = try await database.connect()
            @Sendable func run(_ words: [String]) async throws -> CommandLineProgram.Report {
                try await CommandLineProgram.run(
                    ["heartbeat"] + words, environment: environment.merging(["PGVIGIL_DSN": database.conninfo]) { $1 })
            }
            #expect(try await run(["show"]).output.contains("nobody outside is told"))
            #expect(try await run(["test"]).errors.contains("there is no heartbeat \"default\""))
            try await ServeProcess.with(
                ["--dsn", database.conninfo, "--jobs", jobs, "--allow-networks", "127.0.0.1/32"],
                environment: environment
            ) { process, port in
                // The outside is here a page of the service itself, which answers 200.
                let file = try folder.write("http://127.0.0.1:\(port)/healthz?token=hush", to: "url")
                #expect(try await run(["set", "--url-file", file, "--method", "get"]).ending == .exited(0))
                try await process.eventually("it beats", within: .seconds(60)) {
                    try await run(["test", "--wait", "10s"]).output == "heartbeat default arrived: status 200\n"
                }
                #expect(try await run(["show"]).ending == .exited(0))
                let stored = try await admin.query(
                    "select string_agg(beat::text, '') from monitoring.heartbeats as beat")
                #expect(stored.scalar?.contains("hush") == false && !process.log.contains("hush"))

                // Nothing is judged any more: what still beats says a thing that is not so.
                try await admin.execute("select monitoring.pause_job('evaluate-alerts'); select pg_sleep(0)")
                try await process.eventually("it is withheld", within: .seconds(60)) {
                    try await admin.execute("delete from monitoring.alert_passes")
                    let report = try await run(["test", "--wait", "10s"])
                    return report.ending == .exited(53)
                        && report.errors.contains("withheld, the chain is broken: evaluation: the rules were not")
                }
                try await process.eventually("the table says why") {
                    try await admin.query(
                        "select withheld_reason ~ '^evaluation' from monitoring.heartbeats"
                    ).scalar == "t"
                }
                #expect(try await run(["show"]).ending == .exited(53))
                #expect(try await run(["remove"]).ending == .exited(0))
            }
            await admin.close()
        }
    }

    @Test("what is no URL, no method or no distance is refused before anything is stored")
    func refused() async throws {
        let folder = try TemporaryFolder()
        let file = try folder.write("ftp://outside.example/", to: "url")
        for (words, text) in [
            (["--method", "put"], "it is GET or POST"), (["--every", "1s"], "from 10s to 1d"),
            (["--url-file", file], "what was given is no URL"),
        ] {
            let key = try await CommandLineProgram.run(["key", "new"])
            let report = try await CommandLineProgram.run(
                ["heartbeat", "set"] + words,
                environment: ["PGVIGIL_DSN": "host=/nonexistent", "PGVIGIL_KEY": String(key.lines.first ?? "")])
            #expect(report.ending == .exited(2), "\(report.errors)")
            #expect(report.errors.contains(text), "\(report.errors)")
        }
    }
}
