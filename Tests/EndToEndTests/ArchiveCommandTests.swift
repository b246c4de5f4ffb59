import EmbeddedPostgres
import Glibc
import Postgres
import Runtime
import TestSupport
import Testing

/// `pgvigil archive`, `backup` and `maintenance`, and what is left when they are killed.
@Suite struct ArchiveCommandTests {
    /// Every sample of the first day, to the last bit.
    private static let points = """
        select md5(string_agg(format('%s %s %s', point.series_id, extract(epoch from point.sampled_at),
            encode(float8send(point.value), 'hex')), ' ' order by point.series_id, point.sampled_at))
            || ' ' || count(*)
        from monitoring_internal.read_points(array(select series_id from monitoring.series),
            '2026-01-01 00:00Z', '2026-01-02 00:00Z') as point
        """

    private static func run(_ words: [String], _ database: Database) async throws -> CommandLineProgram.Report {
        try await CommandLineProgram.run(words, environment: ["PGVIGIL_DSN": database.conninfo])
    }

    @Test("days are written, listed, checked, dropped and restored at the command line")
    func commands() async throws {
        let folder = try TemporaryFolder()
        try await TestDatabase.withDatabase { database in
            let admin = try await database.connect()
            try await admin.execute(ArchivedDays.setUp)
            let before = try await admin.query(Self.points).scalar
            _ = try await admin.query("select monitoring_internal.archive_old_data_at('2026-01-09 01:00Z')")
            let place = ["--archive", folder.newPath("archive")]
            #expect(try await Self.run(["archive", "run"] + place, database).lines.count == 4)
            #expect(try await Self.run(["archive", "list", "--json"], database).lines.count == 4)
            #expect(try await Self.run(["archive", "verify"] + place, database).ending == .exited(0))
            _ = try await admin.query("select monitoring_internal.cleanup_old_metrics_at('2026-01-09 01:00Z')")
            #expect(try await admin.query(Self.points).scalar == nil)
            let restored = try await Self.run(["archive", "restore", "compliance", "2026-01-01"], database)
            #expect(restored.output.contains("1000 samples, of which 1000 were not in the store"), "\(restored.errors)")
            #expect(try await admin.query(Self.points).scalar == before)
            let path = try await admin.query(
                "select substr(destination || '/' || file_name, 8) from monitoring.archives where day = '2026-01-02'"
            ).scalar
            #expect(truncate(try #require(path), 300) == 0)
            #expect(try await Self.run(["archive", "verify", "compliance"], database).ending == .exited(60))
            #expect(
                try await Self.run(["archive", "restore", "compliance", "2026-01-02"], database).ending == .exited(60))
            #expect(
                try await Self.run(["archive", "restore", "compliance", "2026-03-02"], database).ending == .exited(62))
            #expect(try await Self.run(["archive", "run"], database).ending == .exited(0), "nothing is due")
            #expect(
                try await Self.run(["maintenance", "reindex"], database).output == "no index needs to be rebuilt\n")
            await admin.close()
        }
    }

    @Test("row 33: a base backup is restored into a fresh server and its rows agree")
    func backup() async throws {
        try await TestCluster.withCluster(TestCluster.migrated()) { cluster in
            let name = TestCluster.migratedDatabase
            let server = ["PGVIGIL_DSN": cluster.conninfo(database: name)]
            let report = try await CommandLineProgram.run(["backup", "check"], environment: server)
            #expect(report.ending == .exited(0), "\(report.errors)")
            #expect(report.output.contains("rows agree"))
            let admin = try await PostgresConnection.connect(cluster.configuration(database: name))
            let row = try await admin.query(
                "select state, table_count > 60 and row_count > 1000 and backup_bytes > 0 from monitoring.backup_checks"
            ).single()
            #expect(row[0] == "passed")
            #expect(row[1] == "t")
            try await admin.execute("create role keeper login in role monitoring_service")
            await admin.close()
            let refused = try await CommandLineProgram.run(
                ["backup", "check"], environment: ["PGVIGIL_DSN": cluster.conninfo(database: name, user: "keeper")])
            #expect(refused.ending == .exited(66))
            #expect(refused.errors.contains("alter role keeper replication"))
        }
    }

    @Test("killed at any moment, an archiver leaves nothing that counts and is not whole, and loses no sample")
    func killed() async throws {
        let folder = try TemporaryFolder()
        try await TestDatabase.withDatabase { database in
            let admin = try await database.connect()
            try await admin.execute(ArchivedDays.setUp)
            let before = try await admin.query(Self.points).scalar
            _ = try await admin.query("select monitoring_internal.archive_old_data_at('2026-01-09 01:00Z')")
            let place = folder.newPath("archive")
            var seed: UInt64 = 20_260_101
            for moment in 0..<16 {
                seed = seed &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
                let child = try CommandLineProgram.start(
                    ["archive", "run", "--archive", place], environment: ["PGVIGIL_DSN": database.conninfo],
                    output: folder.newPath("out-\(moment)"), errors: folder.newPath("err-\(moment)"))
                try await admin.execute("select pg_sleep(\(Double(seed >> 33) / 2_147_483_648 * 0.25))")
                child.signal(SIGKILL)
                _ = await child.wait()
                // The server ends its sessions when it finds them alone; what they still do counts as done before the kill.
                try await admin.waitUntil(
                    """
                    select not exists (
                        select from pg_stat_activity
                        where datname = current_database() and application_name = 'pgvigil archive')
                    """)
                // What was in hand is taken over as after its lease; what counts is whole.
                try await admin.execute(
                    "update monitoring.archives set lease_instance_id = null, lease_expires_at = null")
                #expect(try await Self.run(["archive", "verify", "--archive", place], database).ending == .exited(0))
                #expect(try await admin.query(Self.points).scalar == before)
                try await admin.execute(
                    "update monitoring.archives set state = 'due', due_at = now()")
            }
            #expect(try await Self.run(["archive", "run", "--archive", place], database).ending == .exited(0))
            #expect(try await Self.run(["archive", "verify", "--archive", place], database).ending == .exited(0))
            // Deletions that are cut off are undone as a whole.
            for _ in 0..<6 {
                let worker = try await database.connect()
                async let cleaning: PostgresRows = worker.query(
                    "select monitoring_internal.cleanup_old_metrics_at('2026-01-09 01:00Z'), pg_sleep(20)")
                try await admin.waitUntil(
                    "select exists (select from pg_locks where pid = $1::integer and locktype = 'advisory')",
                    [String(worker.backendPID)])
                _ = try await admin.query("select pg_terminate_backend($1::integer)", [String(worker.backendPID)])
                _ = try? await cleaning
                await worker.close()
                #expect(try await admin.query(Self.points).scalar == before)
            }
            _ = try await admin.query("select monitoring_internal.cleanup_old_metrics_at('2026-01-09 01:00Z')")
            let restored = try await Self.run(
                ["archive", "restore", "compliance", "2026-01-01", "--archive", place], database)
            #expect(restored.ending == .exited(0), "\(restored.errors)")
            #expect(try await admin.query(Self.points).scalar == before)
            await admin.close()
        }
    }
}
