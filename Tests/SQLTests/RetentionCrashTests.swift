import EmbeddedPostgres
import Postgres
import TestSupport
import Testing

/// Rolling up, packing, deleting and dropping that end in the middle, in a store whose classes share partitions.
@Suite struct RetentionCrashTests {
    /// One metric of each of three classes, which keep their samples for four days, five days and seven years.
    private static let given =
        """
        select monitoring.set_setting('store.pack_series', '1'), monitoring.set_setting('store.raw_grace', '1 min');
        update monitoring.retention_classes set raw_retention = '5 days' where name = 'standard';
        update monitoring.retention_classes
        set raw_retention = '4 days', rollup_1m = null, rollup_5m = '6 days', is_archived = false
        where name = 'high_resolution';
        update monitoring.retention_classes set is_archived = false where name = 'compliance';
        update monitoring.partition_policies set partition_interval = '2 days'
        where table_name in ('monitoring.sample_blocks', 'monitoring.time_vectors');
        update monitoring.partition_policies set partition_interval = '1 day' where table_name = 'monitoring.rollups_5m';
        update monitoring.partition_policies set is_active = table_name in (
            'monitoring.samples', 'monitoring.sample_blocks', 'monitoring.time_vectors', 'monitoring.rollups_5m');
        select monitoring_internal.register_families('[
            {"name": "short", "kind": "gauge"}, {"name": "long", "kind": "gauge", "retention_class": "compliance"},
            {"name": "fine", "kind": "gauge", "retention_class": "high_resolution"}]');
        create table public.given (
            metric text, n integer, sampled_at timestamptz, value double precision,
            primary key (metric, n, sampled_at));
        create function public.take(p_given public.given[], p_now timestamptz) returns bigint language sql as $$
            insert into public.given select * from unnest(p_given) on conflict do nothing;
            select (monitoring_internal.ingest_samples_at(array_agg(metric),
                array_agg(jsonb_build_object('n', n::text)), array_agg(value), array_agg(sampled_at), null,
                p_now)).accepted
            from unnest(p_given);
        $$;
        create function public.points(p_at timestamptz[]) returns public.given[] language sql as $$
            select array_agg((metric, n, at, n + sin(extract(epoch from at)))::public.given)
            from unnest(array['short', 'long', 'fine']) as metric, generate_series(1, 2) as n, unnest(p_at) as at
        $$;
        -- What each series has of each day, and what is wrong with that: a sample that is not as it was given or is
        -- there twice; part of a day; a day that is gone before its time, or that its rollups do not count.
        create function public.wrong(p_now timestamptz) returns table (metric text, n integer, day timestamptz, what text)
        language sql as $$
            with stored as materialized (
                select metric, (labels ->> 'n')::integer as n, sampled_at, count(*) as times, max(value) as value
                from monitoring.metric_samples where metric in ('short', 'long', 'fine') group by 1, 2, 3
            ),
            held as materialized (
                select metric, n, date_trunc('day', sampled_at, 'UTC') as day, count(given.value) as given,
                    count(stored.value) as stored, count(*) filter (where stored.times > 1
                        or stored.value <> given.value or given.value is null) as bad
                from public.given full join stored using (metric, n, sampled_at) group by 1, 2, 3
            )
            select held.metric, held.n, held.day, format('%s of %s, %s bad; %s rolled up; gone before %s',
                held.stored, held.given, held.bad, rolled.samples, cutoff.at)
            from held
            inner join monitoring.metric_families as family on family.name = held.metric
            inner join monitoring_internal.class_retentions() as kept
                on kept.retention_class = family.retention_class and kept.resolution = 'raw'
            inner join monitoring.series as series on series.metric_family_id = family.metric_family_id
                and series.labels = jsonb_build_object('n', held.n::text)
            cross join lateral monitoring_internal.retention_cutoff_at('raw', kept.retention, p_now) as cutoff (at)
            left join lateral (
                select coalesce(sum(point.sample_count), 0) as samples
                from monitoring_internal.rollup_points as point
                where point.resolution = '1h' and point.series_id = series.series_id
                    and point.bucket_at >= held.day and point.bucket_at < held.day + interval '24 hours'
            ) as rolled on true
            where held.bad > 0 or held.stored not in (0, held.given)
                or held.stored = 0 and (held.day + interval '24 hours' > cutoff.at or rolled.samples <> held.given)
        $$;
        """
    private static let patience = Duration.seconds(90)
    private static let jobs = [
        "call monitoring_internal.refresh_rollups_at($)", "call monitoring_internal.pack_samples_at($)",
        "select monitoring_internal.cleanup_old_metrics_at($)", "call monitoring_internal.maintain_partitions_at($)",
    ]

    private static func now(_ round: Int) -> String {
        "('2026-01-03 00:00Z'::timestamptz + \(round) * interval '5 hours')"
    }

    /// The samples of five hours, and two that come half a day late.
    private static func ingest(_ connection: PostgresConnection, _ round: Int, _ chance: UInt64) async throws {
        let now = Self.now(round)
        try await connection.execute(
            """
            select public.take(public.points(array(
                select generate_series(\(now) - interval '5 hours', \(now) - interval '1 minute', '10 minutes')
                union all select \(now) - (3 + k) * interval '4 hours' - \(chance % 9973) * interval '1 s'
                from generate_series(0, 1) as k where \(round) > 4)), \(now))
            """, timeout: patience)
    }

    private static func expectRight(_ admin: PostgresConnection, _ round: Int, _ seed: UInt64) async throws {
        let wrong = try await admin.query(
            "select string_agg(wrong::text, ' ') from (select * from public.wrong(\(now(round))) limit 5) as wrong",
            timeout: patience
        ).scalar
        #expect(wrong == nil, "PGVIGIL_SEED=\(seed), round \(round)")
    }

    @Test(
        "rollup, packing, deletion and drops killed at fifty seeded moments lose nothing before its time and leave nothing",
        .timeLimit(.minutes(5)))
    func killed() async throws {
        var chance = SeededChance(20_260_103, for: "deletion and drops are killed")
        try await TestCluster.withDatabase { database in
            var admin = try await database.connect()
            try await admin.execute(Self.given, timeout: Self.patience)
            for round in 0..<50 {
                let moment = chance.next()
                let crash: Crash = round % 10 == 6 ? .server : [21, 41].contains(round) ? .postmaster : .session
                let worker = try await database.connect()
                let start = ContinuousClock.now
                try await Self.ingest(admin, round, moment)
                let unit = ContinuousClock.now - start
                // Each job in its turn is the first, so that each is hit at its beginning, middle and end.
                let turn = (0..<4).map { Self.jobs[($0 + round) % 4] }
                    .map { String($0.dropLast(2)) + Self.now(round) + ")" }
                async let end: Void = Self.run(turn, worker)
                try await Crash.moment(of: worker, moment, times: 16, unit: unit, admin)
                admin = try await crash.strike(worker, admin, database)
                // Killed, or done before that.
                _ = try? await end
                await worker.close()
                try await Self.expectRight(admin, round, chance.seed)
            }
            try await Self.expectEnd(admin, chance.seed)
            await admin.close()
        }
    }

    private static func run(_ statements: [String], _ connection: PostgresConnection) async throws {
        for statement in statements { try await connection.execute(statement, timeout: patience) }
    }

    /// Runs all jobs to their end, and expects that what had to go is gone, and nothing else.
    private static func expectEnd(_ admin: PostgresConnection, _ seed: UInt64) async throws {
        // Partitions are made, days packed, and dropped after their grace.
        for minutes in [0, 5, 10] {
            let time = now(50) + " + interval '\(minutes) minutes'"
            try await run(jobs.map { String($0.dropLast(2)) + time + ")" }, admin)
        }
        try await expectRight(admin, 50, seed)
        let left = try await admin.query(
            """
            select
                (select count(*) from public.given where metric = 'long')
                    - (select count(*) from monitoring.metric_samples where metric = 'long'),
                (select count(distinct sampled_at::date) from public.given where metric = 'short')
                    - (select count(distinct sampled_at::date) from monitoring.metric_samples where metric = 'short'),
                (select count(distinct sampled_at::date) from public.given where metric = 'fine')
                    - (select count(distinct sampled_at::date) from monitoring.metric_samples where metric = 'fine'),
                (select count(*) from monitoring.samples where sampled_at < '2026-01-11 00:00Z'),
                (select min(bucket_at) >= '2026-01-07 00:00Z' from monitoring.rollups_5m),
                (select count(*) from monitoring.late_samples where sampled_at < '2026-01-11 00:00Z')
            """, timeout: patience)
        // The clock is at the 13th, 10:00: the days from the 2nd to the 7th are past five days, the 8th past four.
        #expect((0..<6).map { left[0][$0] } == ["0", "6", "7", "0", "t", "0"], "PGVIGIL_SEED=\(seed)")
    }
}
