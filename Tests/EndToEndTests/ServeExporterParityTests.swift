import EmbeddedPostgres
import Glibc
import Postgres
import Runtime
import Testing

@testable import TestSupport

/// The page beside that of Debian's prometheus-postgres-exporter, on one cluster.
@Suite struct ServeExporterParityTests {
    private static let program = "/usr/bin/prometheus-postgres-exporter"
    private static let queries = "/usr/share/doc/prometheus-postgres-exporter/examples/queries.yaml"

    @Test("each family of postgres_exporter is on our page with its type and labels, or on the reviewed list")
    func families() async throws {
        let options = EmbeddedCluster.Options(settings: ["wal_level": "logical"])
        try await TestCluster.withCluster(options) { cluster in
            let (ours, theirs) = try await Self.pages(of: cluster)
            var list = try ReviewedDifferences(Self.text("exporter-differences.txt"))
            for family in theirs.values.sorted(by: { $0.name < $1.name }) {
                for difference in Self.differences(family, ours[family.name], &list) where !list.covers(difference) {
                    Issue.record("\(difference): neither as postgres_exporter has it nor on the list")
                }
            }
            #expect(theirs.count > 300)
            // The packaged queries may have been left out where documentation is not installed.
            if access(Self.queries, R_OK) == 0 {
                #expect(list.unused(on: cluster.majorVersion) == [], "no difference of this name was found")
            }
        }
    }

    @Test("settings have postgres_exporter's names, units and values")
    func settings() async throws {
        try await TestCluster.withCluster { cluster in
            let (ours, theirs) = try await Self.pages(of: cluster)
            let names = theirs.keys.filter { $0.hasPrefix("pg_settings_") }.sorted()
            #expect(names.count > 200)
            // Each describes the asking session.
            let ofSession = ["pg_settings_is_superuser", "pg_settings_extra_float_digits"]
            for name in names where !ofSession.contains(name) {
                #expect(ours[name]?.samples.first?.value == theirs[name]?.samples.first?.value, "\(name)")
            }
        }
    }

    private typealias Family = ExpositionParser.Family

    /// What differs: the name, or the name with `type` or `labels`.
    private static func differences(
        _ theirs: Family, _ ours: Family?, _ list: inout ReviewedDifferences
    ) -> [String] {
        guard let ours else { return [theirs.name] }
        var found: [String] = []
        if ours.type != theirs.type { found.append("\(theirs.name) type") }
        let expected = labelNames(theirs).filter { !list.covers("label \($0)") }
        if labelNames(ours) != Set(expected) { found.append("\(theirs.name) labels") }
        return found
    }

    private static func labelNames(_ family: Family) -> Set<String> {
        Set(family.samples.flatMap { $0.labels.filter { !$0.value.isEmpty }.keys })
    }

    /// Our page and theirs, by family, once everything that is shipped has run.
    private static func pages(of cluster: EmbeddedCluster) async throws -> ([String: Family], [String: Family]) {
        let conninfo = cluster.conninfo()
        try await migrate(cluster)
        let admin = try await PostgresConnection.connect(cluster.configuration())
        try await admin.execute(
            """
            create table items (id integer primary key, note text);
            insert into items values (1, 'one'); select from items where id = 1
            """)
        try await admin.execute("vacuum analyze items")
        _ = try await admin.query("select pg_create_physical_replication_slot('unused', true)")
        let idle = try await PostgresConnection.connect(cluster.configuration(applicationName: "idle"))
        try await idle.execute("begin; select 1")
        let ours = try await ServeProcess.with(["--dsn", conninfo]) { process, port in
            try await process.eventually("the first round of collections", within: .seconds(120)) {
                let waiting = try await admin.query(
                    """
                    select count(*) from monitoring.collector_status
                    where status not in ('ok', 'unavailable')
                        and not (status = 'skipped' and reason ~ 'server of this version')
                    """)
                return waiting.scalar == "0"
            }
            let page = try await HTTPTestClient.get("/metrics", port: port)
            #expect(page.status == 200)
            return try ExpositionParser.parse(page.text)
        }
        let theirs = try await exporterPage(cluster)
        await idle.close()
        await admin.close()
        return (byName(ours), byName(theirs))
    }

    private static func byName(_ families: [Family]) -> [String: Family] {
        Dictionary(families.map { ($0.name, $0) }) { first, _ in first }
    }

    private static func migrate(_ cluster: EmbeddedCluster) async throws {
        let report = try await ChildProcess.run(
            [ServeProcess.program, "migrate", "up", "--dsn", cluster.conninfo()],
            environment: ProcessEnvironment.variables())
        try #require(report.isSuccess, "\(report.output)")
    }

    private static func exporterPage(_ cluster: EmbeddedCluster) async throws -> [Family] {
        let folder = try TemporaryFolder()
        let port = try freePort()
        let queries = access(Self.queries, R_OK) == 0 ? ["--extend.query-path=\(Self.queries)"] : []
        let exporter = try ChildProcess(
            [program, "--web.listen-address=127.0.0.1:\(port)"] + queries,
            environment: [
                "PATH": "/usr/bin:/bin",
                "DATA_SOURCE_NAME":
                    "host=\(cluster.socketDirectory) port=5432 user=postgres dbname=postgres sslmode=disable",
            ], output: .null, errors: .file("\(folder.path)/log"))
        defer { exporter.signal(SIGKILL) }
        let deadline = Monotonic.now() + .seconds(60)
        var pages = 0
        while Monotonic.now() < deadline {
            // HTTP/1.0, so that the answer comes in one piece.
            let reply = try? await onThread {
                let connection = try HTTPTestConnection(port: port)
                connection.send("GET /metrics HTTP/1.0\r\n\r\n")
                return try connection.readReply()
            }
            // The first page has what the exporter finds out while it makes it; the second is whole.
            if let reply, reply.status == 200, reply.text.contains("\npg_up") { pages += 1 }
            if let reply, pages == 2 {
                return try parse(reply.text)
            }
            try await Task.sleep(for: .milliseconds(100))
        }
        throw ServeProcess.GaveUp(
            description: "no page of postgres_exporter\n\(TemporaryFolder.read("\(folder.path)/log"))")
    }

    /// Reads their page, whose counters may be NaN, but for a family whose buckets do not add up to a histogram.
    private static func parse(_ page: String) throws -> [Family] {
        let broken = "pg_process_idle_seconds"
        let lines = page.split(separator: "\n").filter { !$0.contains(broken) }
            .map { $0.hasSuffix(" NaN") ? $0.dropLast(3) + "0" : $0 }
        let families = try ExpositionParser.parse(lines.joined(separator: "\n") + "\n")
        return lines.count == page.split(separator: "\n").count ? families : families + [Family(name: broken)]
    }

    private static func text(_ name: String) -> String {
        let folder = "\(#filePath)".split(separator: "/").dropLast(2).joined(separator: "/")
        return TemporaryFolder.read("/\(folder)/\(name)")
    }
}

/// Tests/exporter-differences.txt: what is not as postgres_exporter has it, each line with its reason.
private struct ReviewedDifferences {
    /// A line that is not of the form `NAME | WHY`.
    struct Fault: Error {
        let line: String
    }

    private var entries: [(pattern: String, since: Int, isUsed: Bool)] = []

    /// Reads `NAME | WHY` lines; `#` begins a remark, a name may end in `*`.
    init(_ text: String) throws {
        for line in text.split(separator: "\n") where !line.hasPrefix("#") {
            let parts = line.split(separator: "|", maxSplits: 1).map { part in
                String(part.drop { $0 == " " }.reversed().drop { $0 == " " }.reversed())
            }
            guard parts.count == 2, parts.allSatisfy({ !$0.isEmpty }) else { throw Fault(line: String(line)) }
            let since = parts[1].firstRange(of: "-: ").flatMap { Int(parts[1][..<$0.lowerBound]) }
            entries.append((parts[0], since ?? 0, false))
        }
    }

    /// Whether a line allows the difference, which is thereby used.
    mutating func covers(_ difference: String) -> Bool {
        let place = entries.firstIndex { entry in
            entry.pattern == difference
                || entry.pattern.hasSuffix("*") && difference.hasPrefix(entry.pattern.dropLast())
        }
        guard let place else { return false }
        entries[place].isUsed = true
        return true
    }

    /// Lines that allowed nothing, but for those that are for later versions of the server: `NAME | 16-: WHY`.
    func unused(on version: Int) -> [String] {
        entries.filter { !$0.isUsed && $0.since <= version }.map(\.pattern)
    }
}
