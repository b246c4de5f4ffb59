import EmbeddedPostgres
import Postgres
import TestSupport
import Testing

/// Packing that ends in the middle of it, and packers, ingesters and readers that meet.
///
/// It was seen to fail when a day's blocks counted before all were made and without their number compared.
@Suite struct PackingCrashTests {
    /// Twelve days of twenty series, of each form that a block can have; `given` is what must be read ever after.
    private static let given =
        """
        select monitoring.set_setting('store.max_past', '3650 days'), monitoring.set_setting('store.pack_series', '3');
        update monitoring.partition_policies set retention = null, is_active = table_name = 'monitoring.samples';
        update monitoring.partition_holds set covered_until = 'infinity' where name = 'rollups';
        select monitoring_internal.create_partitions_at('monitoring.samples', '2026-01-05', '2026-01-18', '2026-01-05');
        create table public.given (
            n integer, sampled_at timestamptz, value double precision, primary key (n, sampled_at));
        create function public.take(p_given public.given[]) returns bigint language sql as $$
            insert into public.given select * from unnest(p_given) on conflict do nothing;
            select (monitoring_internal.ingest_samples_at(array_agg('kept'::text),
                array_agg(jsonb_build_object('n', n::text)), array_agg(value), array_agg(sampled_at), null,
                '2026-01-17 00:00Z')).accepted
            from unnest(p_given);
        $$;
        select public.take(array_agg((n, timestamptz '2026-01-05 00:00Z' + hour * interval '1 hour'
            + (n % 5 = 1)::integer * hour * hour % 7919 * interval '13 us', case n % 5
                when 0 then 42 when 1 then hour / 100 when 2 then hour * hour when 3 then sin(hour)
                else round((sin(hour) * 100)::numeric, 2) end)::public.given))
        from generate_series(0, 287) as hour cross join generate_series(0, 19) as n;
        create view public.differences as
        select count(*) as number
        from public.given
        full join (
            select (labels ->> 'n')::integer as n, sampled_at, value
            from monitoring.metric_samples where metric = 'kept'
        ) as stored using (n, sampled_at)
        where given.value is distinct from stored.value;
        """
    private static let differences = "select number from public.differences"
    private static let patience = Duration.seconds(90)

    /// Takes in a new sample of some series at a time of any day, $1 and $2 being chance, and samples that are stored
    /// already once more, with another value: those must change nothing.
    private static let late =
        """
        select public.take((
                select array_agg((n, timestamptz '2026-01-05 00:00:01Z'
                    + ($1::bigint + n * 86413) % (12 * 86400) * interval '1 s', n)::public.given)
                from generate_series($2::integer % 5, 19, 3) as n))
            + public.take((
                select array_agg((again.n, again.sampled_at, -1)::public.given)
                from (
                    select n, sampled_at from public.given
                    order by hashint8extended(n + extract(epoch from sampled_at)::bigint, $1::bigint) limit 10
                ) as again))
        """

    @Test(
        "packing killed at fifty seeded moments loses nothing and doubles nothing, while late samples come in",
        .timeLimit(.minutes(5)))
    func killed() async throws {
        var chance = SeededChance(20_260_105, for: "packing is killed")
        let seed = chance.seed
        try await TestCluster.withDatabase { database in
            var admin = try await database.connect()
            try await admin.execute(Self.given, timeout: Self.patience)
            for round in 0..<50 {
                let moment = chance.next()
                let crash: Crash = round % 10 == 9 ? .server : [24, 34].contains(round) ? .postmaster : .session
                let packer = try await database.connect()
                let now = "'2026-01-08 00:00Z'::timestamptz + \(round) * interval '5 hours'"
                let start = ContinuousClock.now
                async let end: Void = packer.execute("call monitoring_internal.pack_samples_at(\(now))")
                _ = try await admin.query(
                    Self.late, [String(moment % 1_000_003), String(round)], timeout: Self.patience)
                let unit = ContinuousClock.now - start
                try await Crash.moment(of: packer, moment, times: 3, unit: unit, admin)
                admin = try await crash.strike(packer, admin, database)
                // Killed, or done before that.
                _ = try? await end
                await packer.close()
                // Now and then one comes to its end, so that days are packed to which samples come late.
                if round % 5 == 3 {
                    try await admin.execute(
                        "call monitoring_internal.pack_samples_at(\(now))", timeout: Self.patience)
                }
                let differences = try await admin.query(Self.differences, timeout: Self.patience).scalar
                #expect(differences == "0", "PGVIGIL_SEED=\(seed), round \(round)")
            }
            try await Self.expectEnd(admin, seed)
            await admin.close()
        }
    }

    /// Packs what is left, and expects all that was given in blocks alone, once.
    private static func expectEnd(_ admin: PostgresConnection, _ seed: UInt64) async throws {
        try await admin.execute("call monitoring_internal.pack_samples_at('2026-01-17 00:00Z')", timeout: patience)
        let state = try await admin.query(
            """
            select packed_until = '2026-01-15 00:00Z' and packed_until = closed_until,
                (select count(*) from monitoring.late_samples where sampled_at < '2026-01-15 00:00Z'),
                (select sum(sample_count) from monitoring.sample_blocks)
                    - (select count(*) from public.given where sampled_at < '2026-01-15 00:00Z')
            from monitoring_internal.packing_state
            """)
        let found = (0..<3).map { state[0][$0] }
        #expect(found == ["t", "0", "0"], "PGVIGIL_SEED=\(seed): the next run ends what was begun")
        #expect(try await admin.query(differences).scalar == "0")
        for name in ["pack_samples_at", "maintain_partitions_at"] {
            try await admin.execute("call monitoring_internal.\(name)('2026-01-17 12:00Z')", timeout: patience)
        }
        let left = try await admin.query(
            "select count(*) from monitoring.samples where sampled_at < '2026-01-15 00:00Z'")
        #expect(left.scalar == "0", "what is packed is dropped after its grace")
        #expect(try await admin.query(differences).scalar == "0")
    }

    @Test("a snapshot from before packing reads the same until it ends, and several packers at once do no harm")
    func readersAndPackers() async throws {
        try await TestDatabase.withDatabase { database in
            let admin = try await database.connect()
            try await admin.execute(Self.given, timeout: Self.patience)
            // As maintenance makes them ahead: to make one waits for all who read the table.
            try await admin.execute(
                """
                select monitoring_internal.create_partitions_at(name, '2026-01-05', '2026-01-18', '2026-01-05')
                from unnest(array['monitoring.sample_blocks', 'monitoring.time_vectors']) as part (name)
                """)
            let reader = try await database.connect()
            try await reader.execute("begin isolation level repeatable read")
            #expect(try await reader.query(Self.differences).scalar == "0")
            let pack = "call monitoring_internal.pack_samples_at('2026-01-14 00:00Z')"
            try await withThrowingTaskGroup(of: Void.self) { group in
                for _ in 0..<3 {
                    group.addTask {
                        let packer = try await database.connect()
                        try await packer.execute(pack, timeout: Self.patience)
                        await packer.close()
                    }
                }
                for _ in 0..<5 {
                    #expect(try await admin.query(Self.differences).scalar == "0")
                    #expect(try await reader.query(Self.differences).scalar == "0")
                }
                try await group.waitForAll()
            }
            try await admin.execute(pack, timeout: Self.patience)
            let isPacked = "select monitoring_internal.packed_until() = '2026-01-12 00:00Z'"
            #expect(try await admin.query(isPacked).scalar == "t")
            #expect(try await admin.query(Self.differences).scalar == "0")
            #expect(try await reader.query(Self.differences).scalar == "0")
            try await reader.execute("rollback")
            await reader.close()
            await admin.close()
        }
    }

    @Test("an ingest that began before its day was closed is waited for; one that keeps an old snapshot is refused")
    func openIngests() async throws {
        try await TestDatabase.withDatabase { database in
            let admin = try await database.connect()
            try await admin.execute(Self.given, timeout: Self.patience)
            let early = try await database.connect()
            let frozen = try await database.connect()
            let take = """
                select public.take(array[
                    (19, timestamptz '2026-01-05 12:00:00.5Z' + $1::integer * interval '1 s', 1)::public.given])
                """
            try await early.execute("begin")
            #expect(try await early.query(take, ["1"]).scalar == "1")
            try await frozen.execute("begin isolation level repeatable read")
            _ = try await frozen.query("select count(*) from public.given")
            let step = "select monitoring_internal.pack_next_at('2026-01-08 12:00Z')"
            #expect(try await admin.query(step).scalar == "close")
            #expect(try await admin.query(step).scalar == "wait", "whoever may not know of the mark is waited for")
            let refused = await #expect(throws: PostgresError.self) { _ = try await frozen.query(take, ["2"]) }
            #expect(refused?.sqlState == "40001", "an old snapshot would write where nobody looks any more")
            try await frozen.execute("rollback")
            #expect(try await frozen.query(take, ["3"]).scalar == "1", "who comes later is late, and waits for nobody")
            #expect(try await admin.query(step).scalar == "wait")
            try await early.execute("commit")
            #expect(try await admin.query(step).scalar == "blocks")
            #expect(try await frozen.query(take, ["4"]).scalar == "1", "its day is just being packed")
            #expect(try await admin.query(Self.differences).scalar == "0")
            try await admin.execute(
                "call monitoring_internal.pack_samples_at('2026-01-08 12:00Z')", timeout: Self.patience)
            #expect(try await admin.query(Self.differences).scalar == "0")
            #expect(try await admin.query("select count(*) from monitoring.late_samples").scalar == "0")
            for connection in [admin, early, frozen] { await connection.close() }
        }
    }
}
