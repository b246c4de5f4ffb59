import Glibc
import Postgres
import Runtime
import TestSupport
import Testing

/// What Prometheus itself makes of the page.
@Suite struct ServePrometheusTests {
    @Test func aRealPrometheusFindsTheServiceUpAndTheServersMeasurements() async throws {
        try await TestDatabase.withDatabase { database in
            try await ServeProcess.with(["--dsn", database.conninfo]) { _, port in
                let folder = try TemporaryFolder()
                let configuration = try folder.write(
                    """
                    global: {scrape_interval: 1s, scrape_timeout: 1s}
                    scrape_configs:
                      - job_name: pgvigil
                        static_configs: [{targets: ["127.0.0.1:\(port)"]}]
                    """, to: "prometheus.yml")
                let queryPort = try freePort()
                let prometheus = try ChildProcess(
                    [
                        "/usr/bin/prometheus", "--config.file=\(configuration)",
                        "--storage.tsdb.path=\(folder.path)/data", "--web.listen-address=127.0.0.1:\(queryPort)",
                        "--log.level=warn",
                    ], environment: ["PATH": "/usr/bin:/bin"], output: .null, errors: .file("\(folder.path)/log"))
                let results = await Result {
                    try await Self.wait(for: "up == 1", queryPort)
                    try await Self.wait(for: "pg_stat_database_xact_commit{datname!=\"\"} > 0", queryPort)
                    try await Self.wait(for: "pgvigil_export_series > 100", queryPort)
                    try await Self.wait(for: "process_resident_memory_bytes{job=\"pgvigil\"} > 0", queryPort)
                }
                prometheus.signal(SIGKILL)
                _ = await prometheus.wait()
                do {
                    try results.get()
                } catch {
                    Issue.record("\(error)\n\(TemporaryFolder.read("\(folder.path)/log"))")
                }
            }
        }
    }

    /// Asks Prometheus until the expression yields something.
    static func wait(for expression: String, _ port: UInt16) async throws {
        let encoded = expression.utf8.map { byte in
            let scalar = Unicode.Scalar(byte)
            let isPlain = ("a"..."z").contains(scalar) || ("0"..."9").contains(scalar) || scalar == "_"
            return isPlain ? String(scalar) : "%" + (byte < 16 ? "0" : "") + String(byte, radix: 16)
        }.joined()
        let deadline = Monotonic.now() + .seconds(60)
        var last = "no answer"
        while Monotonic.now() < deadline {
            if let reply = try? await HTTPTestClient.get("/api/v1/query?query=\(encoded)", port: port) {
                if reply.status == 200, reply.text.contains("\"metric\":{") { return }
                last = reply.text
            }
            try await Task.sleep(for: .milliseconds(100))
        }
        throw ServeProcess.GaveUp(description: "Prometheus never found \(expression): \(last)")
    }

    /// promtool's findings are names kept for postgres_exporter's sake, each on a reviewed list.
    @Test func promtoolFindsNothingButReviewedNames() async throws {
        try await TestDatabase.withDatabase { database in
            try await ServeProcess.with(["--dsn", database.conninfo]) { process, port in
                try await Self.waitForCollectors(process, database)
                let page = try await HTTPTestClient.get("/metrics", port: port)
                #expect(page.status == 200)
                #expect(try ExpositionParser.parse(page.text).count > 100)
                let folder = try TemporaryFolder()
                let path = try folder.write(page.text, to: "page.txt")
                let input = open(path, O_RDONLY | O_CLOEXEC)
                defer { close(input) }
                let report = try await ChildProcess.run(
                    ["/usr/bin/promtool", "check", "metrics"], environment: ["PATH": "/usr/bin:/bin"],
                    input: .descriptor(input))
                // 3: it was parsed, and the linter has remarks.
                #expect(report.ending == .exited(3) || report.ending == .exited(0), "\(report.output)")
                let findings = Set(report.output.split(separator: "\n").map(String.init))
                #expect(findings.subtracting(Self.reviewed()).sorted() == [])
            }
        }
    }

    /// Waits until every collector that can run here has run once.
    private static func waitForCollectors(_ process: ServeProcess, _ database: Database) async throws {
        let connection = try await database.connect()
        try await process.eventually("the first round of collections") {
            let rows = try await connection.query(
                """
                select count(*) from monitoring.collectors as c
                where not exists (select 1 from monitoring.collector_runs as r where r.collector_id = c.collector_id)
                """)
            return rows.scalar == "0"
        }
        await connection.close()
    }

    /// The list in Tests/: one finding a line, `#` for remarks.
    private static func reviewed() -> Set<String> {
        let file = "\(#filePath)".split(separator: "/").dropLast(2).joined(separator: "/")
        let lines = TemporaryFolder.read("/\(file)/promtool-findings.txt").split(separator: "\n").map(String.init)
        return Set(lines.filter { !$0.hasPrefix("#") })
    }
}

extension Result where Failure == any Error {
    /// The outcome of an async body.
    init(_ body: () async throws -> Success) async {
        do { self = .success(try await body()) } catch { self = .failure(error) }
    }
}
