import EmbeddedPostgres
import Glibc
import Postgres
import Runtime
import TestSupport
import Testing

/// SIGINT and SIGTERM while `pgvigil archive` and `backup check` work, what is shown meanwhile, and disks that are full.
@Suite struct ArchiveInterruptTests {
    /// Every sample of the first day, to the last bit.
    private static let points = """
        select md5(string_agg(format('%s %s %s', point.series_id, extract(epoch from point.sampled_at),
            encode(float8send(point.value), 'hex')), ' ' order by point.series_id, point.sampled_at))
            || ' ' || count(*)
        from monitoring_internal.read_points(array(select series_id from monitoring.series),
            '2026-01-01 00:00Z', '2026-01-02 00:00Z') as point
        """
    private static let isWaiting = """
        select exists (
            select from pg_stat_activity
            where datname = current_database() and application_name like 'pgvigil %' and wait_event_type = 'Lock')
        """
    private static let isAtRest = """
        select not exists (
                select from pg_stat_activity
                where datname = current_database() and application_name in ('pgvigil archive', 'pgvigil backup'))
            and not exists (select from monitoring.archives where lease_instance_id is not null)
        """

    /// Starts the program, waits until it waits for a lock, sends the signal; what it said until it ended.
    private static func interrupted(
        _ words: [String], _ database: Database, by signal: Int32, _ watcher: PostgresConnection
    ) async throws -> CommandLineProgram.Report {
        let files = try (CommandLineProgram.temporaryFile(), CommandLineProgram.temporaryFile())
        defer {
            unlink(files.0)
            unlink(files.1)
        }
        let child = try CommandLineProgram.start(
            words, environment: ["PGVIGIL_DSN": database.conninfo], output: files.0, errors: files.1)
        try await watcher.waitUntil(isWaiting)
        child.signal(signal)
        let ending = await child.wait()
        return CommandLineProgram.Report(
            ending: ending, output: CommandLineProgram.read(files.0), errors: CommandLineProgram.read(files.1))
    }

    private static func run(_ words: [String], _ database: Database) async throws -> CommandLineProgram.Report {
        try await CommandLineProgram.run(words, environment: ["PGVIGIL_DSN": database.conninfo])
    }

    @Test(
        "a signal in the middle of writing or restoring ends it at once, nothing half counts, and the next run goes on")
    func archive() async throws {
        let folder = try TemporaryFolder()
        try await TestDatabase.withDatabase { database in
            let admin = try await database.connect()
            let holder = try await database.connect()
            try await admin.execute(ArchivedDays.setUp)
            let before = try await admin.query(Self.points).scalar
            _ = try await admin.query("select monitoring_internal.archive_old_data_at('2026-01-09 01:00Z')")
            let place = ["--archive", folder.newPath("archive")]

            // Writing waits for the blocks, which somebody else has.
            try await holder.execute("begin; lock table monitoring.sample_blocks in access exclusive mode")
            for signal in [SIGINT, SIGTERM] {
                let report = try await Self.interrupted(["archive", "run"] + place, database, by: signal, admin)
                #expect(report.ending == .exited(68))
                #expect(report.errors == "pgvigil: interrupted; run it again to finish\n")
                #expect(report.output.isEmpty)
            }
            try await holder.execute("rollback")
            try await admin.waitUntil(Self.isAtRest)
            #expect(
                try await admin.query("select count(*) from monitoring.archives where state = 'due' and attempt = 0")
                    .scalar == "3")
            #expect(try await Self.run(["archive", "run"] + place, database).lines.count == 4)
            _ = try await admin.query("select monitoring_internal.cleanup_old_metrics_at('2026-01-09 01:00Z')")
            #expect(try await admin.query(Self.points).scalar == nil)

            // Restoring waits at the third of ten series for who stores the same sample.
            let restore = ["archive", "restore", "compliance", "2026-01-01"]
            try await holder.execute(
                """
                begin;
                insert into monitoring.late_samples (series_id, sampled_at, value)
                select series_id, '2026-01-01 00:00Z', 0 from (
                    select series.series_id, row_number() over (order by series.series_id) as place
                    from monitoring.series as series
                    inner join monitoring.metric_families as family using (metric_family_id)
                    where family.name = 'evidence') as known
                where known.place = 3
                """)
            let report = try await Self.interrupted(restore + place, database, by: SIGINT, admin)
            #expect(report.ending == .exited(68))
            #expect(report.errors == "pgvigil: interrupted; run it again to finish\n")
            try await holder.execute("rollback")
            try await admin.waitUntil(Self.isAtRest)
            let archive = try await admin.query(
                """
                select restored_at is null and dropped_at is not null as is_out, error
                from monitoring.archives where day = '2026-01-01'
                """
            ).single()
            #expect(archive["is_out"] == "t", "half of a day does not count as restored")
            #expect(archive["error"] == nil, "and is no failure")
            #expect(try await admin.query(Self.points).scalar?.hasSuffix(" 200") == true)
            let resumed = try await Self.run(restore + place, database)
            #expect(resumed.output.contains("1000 samples, of which 800 were not in the store"), "\(resumed.errors)")
            #expect(try await admin.query(Self.points).scalar == before)
            await holder.close()
            await admin.close()
        }
    }

    @Test("on a terminal a restoration that takes long shows how far it is")
    func progress() async throws {
        let folder = try TemporaryFolder()
        try await TestDatabase.withDatabase { database in
            let admin = try await database.connect()
            let holder = try await database.connect()
            try await admin.execute(ArchivedDays.setUp)
            _ = try await admin.query("select monitoring_internal.archive_old_data_at('2026-01-09 01:00Z')")
            let place = folder.newPath("archive")
            #expect(try await Self.run(["archive", "run", "--archive", place], database).ending == .exited(0))
            _ = try await admin.query("select monitoring_internal.cleanup_old_metrics_at('2026-01-09 01:00Z')")
            try await holder.execute(
                """
                begin;
                insert into monitoring.late_samples (series_id, sampled_at, value)
                select max(series_id), '2026-01-01 00:00Z', 0 from monitoring.series
                inner join monitoring.metric_families as family using (metric_family_id)
                where family.name = 'evidence'
                """)
            let command = "'\(CommandLineProgram.path)' archive restore compliance 2026-01-01 --archive \(place)"
            async let shown = ChildProcess.run(
                ["script", "-qec", command, "/dev/null"],
                environment: CommandLineProgram.environment(["PGVIGIL_DSN": database.conninfo]))
            try await admin.waitUntil(Self.isWaiting)
            try await holder.execute("select pg_sleep(2.5); rollback")
            let report = try await shown
            #expect(report.isSuccess)
            #expect(report.output.contains("\r\u{1B}[Krestoring compliance 2026-01-01 ["), "\(report.output)")
            #expect(report.output.contains("% 2 s"))
            #expect(report.output.contains("\r\u{1B}[Kcompliance 2026-01-01: 1000 samples"))
            await holder.close()
            await admin.close()
        }
    }

    @Test("a disk that is full is told, the day stays, and there is no file; with room it is written")
    func full() async throws {
        let folder = try TemporaryFolder()
        try await TestDatabase.withDatabase { database in
            let admin = try await database.connect()
            try await admin.execute(ArchivedDays.setUp)
            _ = try await admin.query("select monitoring_internal.archive_old_data_at('2026-01-09 01:00Z')")
            let place = folder.newPath("archive")
            // A process that may not write longer files meets the same as on a full disk.
            let script = "trap '' XFSZ; ulimit -f 1; exec '\(CommandLineProgram.path)' archive run --archive \(place)"
            let report = try await ChildProcess.run(
                ["/bin/sh", "-c", script],
                environment: CommandLineProgram.environment(["PGVIGIL_DSN": database.conninfo]))
            #expect(report.ending == .exited(61))
            #expect(report.output.contains("cannot write \(place)/compliance/2026/"), "\(report.output)")
            #expect(report.output.contains("is there room?"))
            let left = try await ChildProcess.run(
                ["find", place, "-type", "f"], environment: ["PATH": "/usr/bin:/bin"])
            #expect(left.output.isEmpty, "\(left.output)")
            #expect(
                try await admin.query("select count(*) from monitoring.archives where state = 'due' and attempt = 1")
                    .scalar == "3")
            #expect(
                try await admin.query("select monitoring_internal.cleanup_old_metrics_at('2026-01-09 01:00Z')").scalar
                    == "0")
            try await admin.execute("update monitoring.archives set due_at = now()")
            #expect(try await Self.run(["archive", "run", "--archive", place], database).ending == .exited(0))
            await admin.close()
        }
    }

    @Test("orphans are listed and removed at the command line")
    func orphans() async throws {
        let folder = try TemporaryFolder()
        try await TestDatabase.withDatabase { database in
            let admin = try await database.connect()
            try await admin.execute(ArchivedDays.setUp)
            try await admin.execute("update monitoring.settings set value = '1hour' where name = 'archive.orphan_age'")
            _ = try await admin.query("select monitoring_internal.archive_old_data_at('2026-01-09 01:00Z')")
            let place = ["--archive", folder.newPath("archive")]
            #expect(try await Self.run(["archive", "run"] + place, database).ending == .exited(0))
            let mark = try await admin.query("select mark from monitoring_internal.archive_identity").scalar ?? ""
            let name = "compliance/2026/compliance-2026-01-01-1-99-\(mark).gz"
            let touched = try await ChildProcess.run(
                ["touch", "-d", "2026-01-02", "\(place[1])/\(name)"], environment: ["PATH": "/usr/bin:/bin"])
            #expect(touched.isSuccess)
            let listed = try await Self.run(["archive", "verify"] + place, database)
            #expect(listed.ending == .exited(0))
            #expect(listed.output.hasSuffix("\(name): no archive knows it, may be removed\n"), "\(listed.output)")
            let removed = try await Self.run(["archive", "verify", "--remove-orphans"] + place, database)
            #expect(removed.output.hasSuffix("\(name): no archive knows it, removed\n"), "\(removed.output)")
            #expect(try await !Self.run(["archive", "verify"] + place, database).output.contains("no archive knows"))
            await admin.close()
        }
    }

    @Test("a check of a backup that is interrupted ends at once and says nothing of the backup")
    func backup() async throws {
        try await TestDatabase.withDatabase { database in
            let admin = try await database.connect()
            let holder = try await database.connect()
            try await holder.execute("begin; lock table monitoring.kpi_definitions in access exclusive mode")
            let report = try await Self.interrupted(["backup", "check"], database, by: SIGTERM, admin)
            #expect(report.ending == .exited(68))
            #expect(report.errors == "pgvigil: interrupted; run it again to check the backup\n")
            #expect(
                try await admin.query("select string_agg(state, ' ') from monitoring.backup_checks").scalar
                    == "interrupted")
            #expect(
                try await admin.query("select count(*) from monitoring.upkeep_signals where value > 0").scalar == "0")
            await holder.close()
            await admin.close()
        }
    }
}
