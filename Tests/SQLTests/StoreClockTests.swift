import Postgres
import TestSupport
import Testing

/// What the store's jobs do when nobody ran them for days, and when the clock was wrong.
///
/// Seen to fail when samples that a wrong clock stored tell the age of all others.
@Suite struct StoreClockTests {
    /// Gauges and counters of two classes, one of them archived, with packing and retention at their own settings.
    private static let given =
        RollupCrashTests.given
            + """
            ;
            select monitoring.set_setting('store.max_past', '1 day'), monitoring.set_setting('store.pack_series', '4'),
                monitoring.set_setting('store.rollup_series', '40');
            update monitoring.retention_classes set is_archived = name = 'standard';
            update monitoring.partition_policies set is_active = table_name in (
                'monitoring.samples', 'monitoring.sample_blocks', 'monitoring.time_vectors', 'monitoring.rollups_1m',
                'monitoring.rollups_5m');
            create view public.differences as
            select count(*) as number from public.given
            full join (
                select metric, (labels ->> 'n')::integer as n, sampled_at, value
                from monitoring.metric_samples where metric in ('fine', 'grown', 'coarse')
            ) as stored using (metric, n, sampled_at)
            where given.value is distinct from stored.value
            """
    private static let patience = Duration.seconds(60)

    /// Samples every ten minutes of some hours up to a time, which come then.
    private static func ingest(_ admin: PostgresConnection, _ hours: Int, _ until: String) async throws {
        let taken = try await admin.query(
            """
            select public.take(public.points(array(select generate_series(
                '\(until)Z'::timestamptz - interval '\(hours) hours', '\(until)Z'::timestamptz - interval '1 minute',
                '10 minutes'))), '\(until)Z')
            """, timeout: patience)
        #expect(taken.scalar == String(hours * 36), "all of it is taken in, at \(until)")
    }

    /// Every job of the store, those first that have to wait for others.
    private static func runJobs(_ admin: PostgresConnection, _ time: String) async throws {
        for job in [
            "select monitoring_internal.cleanup_old_metrics_at('\(time)Z')",
            "select monitoring_internal.archive_old_data_at('\(time)Z')",
            "call monitoring_internal.maintain_partitions_at('\(time)Z')",
            "call monitoring_internal.pack_samples_at('\(time)Z')",
            "call monitoring_internal.refresh_rollups_at('\(time)Z')",
        ] { try await admin.execute(job, timeout: patience) }
    }

    private static func expect(_ admin: PostgresConnection, _ sql: String, _ values: [String?]) async throws {
        let row = try await admin.query(sql, timeout: patience).single()
        #expect(values.indices.map { row[$0] } == values, "\(sql)")
    }

    /// What no clock and no pause may change: every sample is there, once, and rolled up.
    private static let sound =
        """
        select (select number from public.differences),
            (select string_agg(wrong::text, ' ') from (select * from public.wrong limit 3) as wrong),
            (select count(*) from monitoring_internal.late_ranges),
            (select count(*) from monitoring.rejected_samples),
            monitoring_internal.default_partition_rows('monitoring.samples'),
            (select count(*) from monitoring.partition_maintenance where failed_total > 0)
        """

    @Test("after four days without a scheduler the next runs bring everything to where it has to be, in short steps")
    func daysOff() async throws {
        try await TestDatabase.withDatabase { database in
            let admin = try await database.connect()
            try await admin.execute(Self.given, timeout: Self.patience)
            try await Self.ingest(admin, 12, "2026-06-01 12:00")
            try await Self.runJobs(admin, "2026-06-01 12:01")
            for time in [
                "2026-06-02 00:00", "2026-06-02 12:00", "2026-06-03 00:00", "2026-06-03 12:00", "2026-06-04 00:00",
                "2026-06-04 12:00", "2026-06-05 00:00", "2026-06-05 12:00",
            ] { try await Self.ingest(admin, 12, time) }
            let stray = "select monitoring_internal.default_partition_rows('monitoring.samples') > 0"
            #expect(try await admin.query(stray).scalar == "t", "the partitions that were made ahead are used up")
            try await Self.runJobs(admin, "2026-06-05 12:01")
            try await Self.ingest(admin, 1, "2026-06-05 13:00")
            try await Self.runJobs(admin, "2026-06-05 13:01")
            try await Self.ingest(admin, 1, "2026-06-05 14:00")
            for time in ["2026-06-05 14:02", "2026-06-05 15:03"] { try await Self.runJobs(admin, time) }
            try await Self.expect(admin, Self.sound, ["0", nil, "0", "0", "0", "0"])
            try await Self.expect(
                admin,
                """
                select (select string_agg(to_char(watermark, 'DD HH24:MI'), ' ' order by width)
                        from monitoring_internal.rollup_levels),
                    monitoring_internal.packed_until(),
                    (select count(*) from monitoring.samples where sampled_at < '2026-06-03 00:00Z'),
                    (select count(*) from monitoring.late_samples),
                    (select string_agg(day::text || state, ' ' order by day) from monitoring.archives),
                    (select max(upper_bound) from monitoring_internal.partition_bounds('monitoring.samples'))
                        >= '2026-06-09 00:00Z'
                """,
                [
                    "05 15:02 05 15:00 05 15:00 05 00:00", "2026-06-03 00:00:00+00", "0", "0",
                    "2026-06-01due 2026-06-02due", "t",
                ])
            // No step is of more hours and series than store.rollup_series says, but for a day's bucket.
            try await Self.expect(
                admin,
                """
                select bool_and(series_count * extract(epoch from until_at - from_at) <= 40 * 3600 * step_count
                        or resolution = '1d'),
                    max(until_at - from_at) <= '1 day', count(*) > 30
                from monitoring.rollup_runs where reason = 'schedule' and row_count > 0
                """, ["t", "t", "t"])
            await admin.close()
        }
    }

    @Test("a clock that was a year ahead for hours, samples and all, deletes, closes and refuses nothing then or later")
    func yearAhead() async throws {
        try await TestDatabase.withDatabase { database in
            let admin = try await database.connect()
            try await admin.execute(Self.given, timeout: Self.patience)
            try await admin.execute("select monitoring.set_setting('store.rollup_series', '2000')")
            for day in 2...6 { try await Self.ingest(admin, 24, "2026-06-0\(day) 00:00") }
            for day in 5...6 { try await Self.runJobs(admin, "2026-06-0\(day) 00:05") }
            let kept =
                """
                select count(*) from monitoring_internal.partition_bounds('monitoring.rollups_1m')
                where lower_bound < '2026-07-01'
                """
            let before = try await admin.query(kept).scalar
            try await Self.ingest(admin, 1, "2027-06-06 01:00")
            try await Self.runJobs(admin, "2027-06-06 01:05")
            try await Self.ingest(admin, 1, "2027-06-06 02:00")
            try await Self.runJobs(admin, "2027-06-06 02:10")
            try await Self.expect(admin, Self.sound, ["0", nil, "0", "0", "0", "0"])
            #expect(try await admin.query(kept).scalar == before, "no partition goes by it")
            // An archiver had a day in hand when the clock was set right.
            try await admin.execute(
                """
                select monitoring_internal.claim_archive_at(
                    '00000000-0000-4000-8000-000000000001', null, null, '2027-06-06 02:10Z')
                """)
            for day in 7...8 {
                try await Self.ingest(admin, 24, "2026-06-0\(day) 00:00")
                try await Self.runJobs(admin, "2026-06-0\(day) 00:05")
                try await Self.runJobs(admin, "2026-06-0\(day) 02:00")
                try await Self.expect(admin, Self.sound, ["0", nil, "0", "0", "0", "0"])
                // Two days old, and an hour for old snapshots: as if nothing had been.
                try await Self.expect(
                    admin,
                    """
                    select monitoring_internal.packed_until() = '2026-06-0\(day - 2) 00:00Z',
                        (select count(*) from monitoring.samples where sampled_at < '2026-06-0\(day - 3) 00:00Z'),
                        (select count(*) from monitoring.late_samples),
                        (select count(*) from monitoring.archives
                        where due_at > '2026-06-0\(day) 02:00Z' or lease_expires_at > '2026-06-0\(day) 03:00Z')
                    """, ["t", "0", "0", "0"])
            }
            // What is past its time goes then as it always does.
            for day in ["09", "10"] { try await Self.ingest(admin, 24, "2026-06-\(day) 00:00") }
            for time in ["2026-06-10 00:05", "2026-06-10 02:00"] { try await Self.runJobs(admin, time) }
            try await Self.expect(
                admin,
                """
                select string_agg(distinct metric || to_char(sampled_at, ' MM-DD'), ' ')
                from public.given where not exists (
                    select from monitoring.metric_samples as stored
                    where stored.metric = given.metric and stored.sampled_at = given.sampled_at)
                """, ["fine 06-01 fine 06-02 grown 06-01 grown 06-02"])
            await admin.close()
        }
    }
}
