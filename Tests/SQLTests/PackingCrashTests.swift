import EmbeddedPostgres
import Glibc
import Postgres
import Runtime
import Testing

@testable import TestSupport

/// Packing that ends in the middle of it, and packers, ingesters and readers that meet.
@Suite struct PackingCrashTests {
    /// Sixty days of five series, of each form that a block can have; `given` is what must be read ever after.
    private static let given = """
        select monitoring.set_setting('store.max_past', '3650days'), monitoring.set_setting('store.pack_series', '2');
        update monitoring.partition_policies set retention = null where table_name = 'monitoring.samples';
        update monitoring.partition_holds set covered_until = 'infinity' where name = 'rollups';
        select monitoring_internal.create_partitions_at('monitoring.samples', '2026-01-05', '2026-03-07', '2026-01-05');
        create table public.given (n text, sampled_at timestamptz, value double precision, primary key (n, sampled_at));
        create function public.take(p_given public.given[]) returns bigint language sql as $$
            insert into public.given select * from unnest(p_given) on conflict do nothing;
            select (monitoring_internal.ingest_samples_at(array_agg('kept'::text), array_agg(jsonb_build_object('n', n)),
                array_agg(value), array_agg(sampled_at), null, '2026-03-06')).accepted
            from unnest(p_given);
        $$;
        select public.take(array_agg((n::text, timestamptz '2026-01-05 00:00Z' + hour * interval '1 hour'
            + (n = 1)::integer * hour * hour % 7919 * interval '13 us', case n
                when 0 then 42 when 1 then hour / 100 when 2 then hour * hour when 3 then sin(hour)
                else round((sin(hour) * 100)::numeric, 2) end)::public.given))
        from generate_series(0, 1439) as hour cross join generate_series(0, 4) as n;
        create view public.differences as
        select count(*) as number
        from public.given
        full join (
            select labels ->> 'n' as n, sampled_at, value from monitoring.metric_samples where metric = 'kept'
        ) as stored using (n, sampled_at)
        where given.value is distinct from stored.value;
        """

    @Test(
        "row 31: packing killed at fifty seeded moments loses nothing and doubles nothing, while late samples come in",
        .timeLimit(.minutes(5)))
    func killed() async throws {
        let seed = ProcessEnvironment.variables()["PGVIGIL_SEED"].flatMap { UInt64($0) } ?? 20_260_105
        var chance = SeededChance(state: seed)
        let moments = (0..<50).map { _ in chance.next() }
        try await TestCluster.withCluster { cluster in
            let name = try await TemplateBuilder(cluster: cluster).make(.migrated)
            let database = Database(name: name, cluster: cluster)
            var admin = try await database.connect()
            try await admin.execute(Self.given)
            for (round, moment) in moments.enumerated() {
                let packer = try await database.connect()
                let pid = packer.backendPID
                async let end = Self.outcome(
                    of: "call monitoring_internal.pack_samples_at('2026-01-08'::timestamptz + '\(round + 1) days')",
                    packer)
                _ = try await admin.query(
                    """
                    select public.take(array_agg((n::text, timestamptz '2026-01-05 00:00:01Z'
                        + (($1::bigint + n * 7919) % (86400 * ($2::bigint + 5))) * interval '1 s', n)::public.given))
                    from generate_series(0, 4) as n
                    """, [String(moment % 1_000_003), String(round)])
                let delay = Double((moment >> 20) % 150) / 1000
                _ = try await admin.query("select pg_sleep($1::double precision)", [String(delay)])
                switch round % 16 {
                case 5: kill(pid, SIGKILL)
                case 13: try await cluster.restart(immediate: true)
                default: _ = try await admin.query("select pg_terminate_backend($1::integer)", [String(pid)])
                }
                _ = await end
                if [5, 13].contains(round % 16) {
                    await admin.close()
                    admin = try await Self.reconnected(database)
                }
                let differences = try await admin.query("select number from public.differences").scalar
                #expect(differences == "0", "seed \(seed), round \(round)")
            }
            try await admin.execute("call monitoring_internal.pack_samples_at('2026-03-01 00:00Z')")
            let state = try await admin.query(
                """
                select packed_until = '2026-02-27' and packed_until = closed_until,
                    (select count(*) from monitoring.late_samples where sampled_at < '2026-02-27'),
                    (select sum(sample_count) = (select count(*) from public.given where sampled_at < '2026-02-27')
                        from monitoring.sample_blocks)
                from monitoring_internal.packing_state
                """)
            #expect((0..<3).map { state[0][$0] } == ["t", "0", "t"], "seed \(seed): the next run ends what was begun")
            try await admin.execute("call monitoring_internal.pack_samples_at('2026-03-01 12:00Z')")
            try await admin.execute("call monitoring_internal.maintain_partitions_at('2026-03-02')")
            let left = try await admin.query(
                "select count(*) from monitoring.samples where sampled_at < '2026-02-27'")
            #expect(left.scalar == "0", "what is packed is dropped after its grace")
            #expect(try await admin.query("select number from public.differences").scalar == "0")
            await admin.close()
        }
    }

    @Test("a snapshot from before packing reads the same until it ends, and two packers do no harm")
    func readersAndPackers() async throws {
        try await TestDatabase.withDatabase { database in
            let admin = try await database.connect()
            try await admin.execute(Self.given)
            let reader = try await database.connect()
            try await reader.execute("begin isolation level repeatable read")
            #expect(try await reader.query("select number from public.differences").scalar == "0")
            try await withThrowingTaskGroup(of: Void.self) { group in
                for _ in 0..<3 {
                    group.addTask {
                        let packer = try await database.connect()
                        try await packer.execute("call monitoring_internal.pack_samples_at('2026-01-20')")
                        await packer.close()
                    }
                }
                for _ in 0..<5 {
                    #expect(try await admin.query("select number from public.differences").scalar == "0")
                }
                try await group.waitForAll()
            }
            try await admin.execute("call monitoring_internal.pack_samples_at('2026-01-20')")
            #expect(try await admin.query("select monitoring_internal.packed_until()").scalar == "2026-01-18 00:00:00+00")
            #expect(try await admin.query("select number from public.differences").scalar == "0")
            #expect(try await reader.query("select number from public.differences").scalar == "0")
            try await reader.execute("rollback")
            await reader.close()
            await admin.close()
        }
    }

    @Test("an ingest that began before its day was closed is waited for; one that keeps an old snapshot is refused")
    func openIngests() async throws {
        try await TestDatabase.withDatabase { database in
            let admin = try await database.connect()
            try await admin.execute(Self.given)
            let early = try await database.connect()
            let frozen = try await database.connect()
            let take = """
                select public.take(array[
                    ('9', '2026-01-05 12:00:00.5Z'::timestamptz + $1 * interval '1 s', 1)::public.given])
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
            try await admin.execute("call monitoring_internal.pack_samples_at('2026-01-08 12:00Z')")
            #expect(try await admin.query("select number from public.differences").scalar == "0")
            #expect(try await admin.query("select count(*) from monitoring.late_samples").scalar == "0")
            for connection in [admin, early, frozen] { await connection.close() }
        }
    }

    /// Runs one statement and closes the connection; whether it succeeded does not matter here.
    private static func outcome(of sql: String, _ connection: PostgresConnection) async -> Bool {
        let succeeded: Bool
        do {
            try await connection.execute(sql)
            succeeded = true
        } catch {
            succeeded = false
        }
        await connection.close()
        return succeeded
    }

    /// Connects once the server is back.
    private static func reconnected(_ database: Database) async throws -> PostgresConnection {
        let deadline = ContinuousClock.now + .seconds(30)
        while true {
            do {
                return try await database.connect()
            } catch {
                guard ContinuousClock.now < deadline else { throw error }
                try await Task.sleep(for: .milliseconds(50))
            }
        }
    }
}

/// A small generator of chance that a seed determines.
private struct SeededChance {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}
