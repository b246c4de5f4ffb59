import Postgres
import TestSupport
import Testing

/// `refresh_rollups()` beside ingest, beside another refresher, and killed: what needs sessions of their own.
@Suite struct RollupConcurrencyTests {
    /// The next step of a refresh as of a time of 2026-06-01: its action, or nil when nothing is left.
    private static func step(_ connection: PostgresConnection, _ time: String) async throws -> String? {
        try await connection.query(
            "select (monitoring_internal.refresh_next_rollup_at(0, null, '2026-06-01 \(time)Z')).action"
        ).scalar
    }

    /// Takes in one sample of a metric with minutes, as of the noon of that day; returns how many were stored.
    private static func ingest(_ connection: PostgresConnection, _ value: Int, _ time: String) async throws -> String? {
        try await connection.query(
            """
            select accepted from monitoring_internal.ingest_samples_at(
                array['fine'], array['{}']::jsonb[], array[\(value)], array['2026-06-01 \(time)Z']::timestamptz[], null,
                '2026-06-01 12:00Z')
            """
        ).scalar
    }

    private static let register =
        """
        select monitoring_internal.register_families(
            '[{"name": "fine", "kind": "gauge", "retention_class": "high_resolution"}]')
        """
    private static let minute =
        "select sample_count::text || ' ' || value_sum from monitoring.rollups_1m where bucket_at = '2026-06-01 11:59Z'"

    @Test("an ingest that is open while its minute closes is waited for, holds up no other, and is in the minute")
    func openIngest() async throws {
        try await TestDatabase.withDatabase { database in
            let owner = try await database.connect()
            let slow = try await database.connect()
            let quick = try await database.connect()
            try await owner.execute(Self.register)
            #expect(try await Self.ingest(owner, 1, "11:58:30") == "1")
            while try await Self.step(owner, "12:00:30") != nil {}
            try await slow.execute("begin")
            #expect(try await Self.ingest(slow, 10, "11:59:10") == "1")
            #expect(try await Self.step(owner, "12:01:10") == "close")
            #expect(try await Self.step(owner, "12:01:10") == "wait")
            try await quick.execute("set lock_timeout = '1s'")
            #expect(try await Self.ingest(quick, 100, "11:59:20") == "1")
            #expect(try await Self.ingest(quick, 1000, "12:00:05") == "1")
            let noted = "select string_agg(from_at::text, ' ') from monitoring_internal.late_ranges"
            try await owner.execute("set timezone = 'UTC'")
            #expect(try await owner.query(noted).scalar == "2026-06-01 11:59:00+00", "the mark was moved before it")
            #expect(try await Self.step(owner, "12:01:10") == "wait")
            #expect(try await owner.query(Self.minute).count == 0)
            try await slow.execute("commit")
            while try await Self.step(owner, "12:01:10") != nil {}
            #expect(try await owner.query(Self.minute).scalar == "2 110")
            #expect(try await owner.query(noted).scalar == nil)
            for connection in [owner, slow, quick] { await connection.close() }
        }
    }

    @Test("an ingest with one snapshot for all of it, older than the mark, has its minute built again")
    func oldSnapshot() async throws {
        try await TestDatabase.withDatabase { database in
            let owner = try await database.connect()
            let slow = try await database.connect()
            try await owner.execute(Self.register)
            #expect(try await Self.ingest(owner, 1, "11:59:30") == "1")
            try await slow.execute("begin isolation level repeatable read; select count(*) from monitoring.settings")
            while try await Self.step(owner, "12:01:10") != nil {}
            #expect(try await owner.query(Self.minute).scalar == "1 1")
            #expect(try await Self.ingest(slow, 10, "11:59:40") == "1")
            try await slow.execute("commit")
            while try await Self.step(owner, "12:01:10") != nil {}
            #expect(try await owner.query(Self.minute).scalar == "2 11")
            for connection in [owner, slow] { await connection.close() }
        }
    }

    /// Two series of the last day, every five minutes, in a class of all levels, and one series a step.
    private static let day =
        """
        select monitoring.set_setting('store.rollup_series', '1');
        select monitoring.set_setting('store.max_past', '10 days');
        \(register);
        select monitoring.ingest_samples(
            array_agg('fine'::text), array_agg(jsonb_build_object('n', n)), array_agg(n * extract(epoch from at)::bigint % 97),
            array_agg(at))
        from generate_series(now() - interval '26 hours', now() - interval '5 minutes', '5 minutes') as at,
            generate_series(1, 2) as n;
        """
    /// How many rows there are of each resolution, and how many differ from what the samples say.
    private static let wrong =
        """
        select count(*) from monitoring_internal.rollup_levels as level
        cross join lateral (
            select series_id, date_bin(level.width, sampled_at, '1970-01-01 00:00Z') as bucket_at, count(*) as n,
                sum(value) as total, max(value) as high
            from monitoring_internal.raw_points group by 1, 2
        ) as direct
        full join monitoring_internal.rollup_points as built
            on built.resolution = level.resolution and built.series_id = direct.series_id
            and built.bucket_at = direct.bucket_at
        where (direct.bucket_at is null or direct.bucket_at + level.width <= level.watermark)
            and (direct.n, direct.total, direct.high)
                is distinct from (built.sample_count, built.value_sum, built.value_max)
        """
    private static let call = "call monitoring.refresh_rollups()"

    @Test("several refreshers at once build everything once")
    func severalAtOnce() async throws {
        try await TestDatabase.withDatabase { database in
            let owner = try await database.connect()
            try await owner.execute(Self.day)
            try await withThrowingTaskGroup(of: Void.self) { group in
                for _ in 0..<3 {
                    group.addTask {
                        let refresher = try await database.connect(as: "monitoring_service")
                        try await refresher.execute(Self.call, timeout: .seconds(30))
                        await refresher.close()
                    }
                }
                try await group.waitForAll()
            }
            try await owner.execute(Self.call, timeout: .seconds(30))
            #expect(try await owner.query("select count(*) > 300 from monitoring.rollups_5m").scalar == "t")
            #expect(try await owner.query(Self.wrong).scalar == "0")
            await owner.close()
        }
    }

    @Test("refreshers killed at fifty seeded moments lose nothing and double nothing")
    func killed() async throws {
        try await TestDatabase.withDatabase { database in
            let owner = try await database.connect()
            try await owner.execute(Self.day)
            var seed: UInt64 = 20_260_601
            for round in 1...50 {
                let victim = try await database.connect(as: "monitoring_service")
                async let ended: Void = victim.execute(Self.call, timeout: .seconds(30))
                seed = seed &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
                let milliseconds = Int(seed >> 33) % 40
                try await owner.execute(
                    """
                    select pg_sleep(\(milliseconds) / 1000.0);
                    select pg_terminate_backend(\(victim.backendPID), 10000);
                    select monitoring.ingest_samples(array['fine'], array['{"n": 1}']::jsonb[], array[\(round)],
                        array[now() - \(round) * interval '31 minutes']);
                    """, timeout: .seconds(30))
                // Killed, or done before that.
                _ = try? await ended
                await victim.close()
            }
            try await owner.execute(Self.call, timeout: .seconds(30))
            #expect(try await owner.query("select count(*) from monitoring_internal.late_ranges").scalar == "0")
            #expect(try await owner.query("select count(*) > 600 from monitoring.rollups_5m").scalar == "t")
            #expect(try await owner.query(Self.wrong).scalar == "0")
            await owner.close()
        }
    }
}
