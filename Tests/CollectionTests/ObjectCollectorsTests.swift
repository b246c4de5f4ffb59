import Postgres
import TestSupport
import Testing

@testable import Collection

/// The collectors of single objects, in situations of the kind they are for.
@Suite struct ObjectCollectorsTests {
    private func labels(_ fixture: Fixture, _ more: String = "") -> String {
        "{\"datname\": \"\(fixture.database.name)\"\(more)}"
    }

    private func index(_ fixture: Fixture, _ name: String) -> String {
        labels(fixture, ", \"indexrelname\": \"\(name)\"")
    }

    private let openGaps = """
        select string_agg(gap.reason, ', ' order by gap.reason)
        from monitoring.collector_gaps as gap
        where gap.ended_at is null and gap.labels <> '{}'
        """

    @Test("an index's scans are counted exactly, and of indexes that are alike all but one count as duplicates")
    func indexUse() async throws {
        try await Fixture.withDatabase { fixture in
            let shop = try await fixture.application()
            try await shop.execute(
                """
                create table items (id integer primary key, size integer);
                create index items_size on items (size);
                create index items_size_again on items (size);
                create index items_large on items (size) where size > 7;
                insert into items select g, g from generate_series(1, 1000) as g;
                set enable_seqscan = off; set enable_bitmapscan = off
                """)
            for id in 1...7 { _ = try await shop.query("select id from items where id = $1::integer", [String(id)]) }
            _ = try await shop.query("select pg_stat_force_next_flush()")
            let run = try await fixture.collect("indexes")["indexes"]
            #expect(run?.status == "ok", "\(run?.reason ?? "")")
            let key = index(fixture, "items_pkey")
            #expect(try await fixture.newest("pg_stat_user_indexes_idx_scan_total", key) == 7)
            #expect(try await fixture.newest("pg_stat_user_indexes_idx_tup_read_total", key) == 7)
            let hits = try #require(try await fixture.newest("pg_statio_user_indexes_idx_blks_hit_total", key))
            #expect(hits > 7)
            #expect(try await fixture.newest("pg_stat_user_indexes_idx_scan_total", index(fixture, "items_large")) == 0)
            let pages = "select relpages * 8192 from pg_class where relname = 'items_pkey'"
            #expect(
                try await fixture.newest("pg_index_size_bytes", key)
                    == (try await fixture.scalar(pages)).flatMap(Double.init))
            #expect(try await fixture.newest("pg_duplicate_indexes", labels(fixture)) == 1)
            #expect(try await fixture.newest("pg_invalid_indexes", labels(fixture)) == 0)
            #expect(try await fixture.newest("pg_index_invalid") == nil)
            await shop.close()
        }
    }

    @Test("an index being built shows its progress and is not called invalid; left behind by a failed build it is")
    func invalidIndex() async throws {
        try await Fixture.withDatabase { fixture in
            let reader = try await fixture.application("reader")
            let builder = try await fixture.application("builder")
            try await reader.execute("create table items (id integer); insert into items values (1), (1)")
            // The build waits for this transaction to end.
            try await reader.execute("begin; insert into items values (2)")
            async let build = failure(of: builder, "create unique index concurrently items_id on items (id)")
            #expect(
                try await fixture.becomesTrue(
                    """
                    select exists (
                        select 1 from pg_stat_progress_create_index where pid = $1::integer and lockers_total = 1)
                    """, [String(builder.backendPID)]))
            let runs = try await fixture.collect("indexes", "progress")
            for (name, run) in runs { #expect(run.status == "ok", "\(name): \(run.reason ?? "")") }
            let work = labels(fixture, ", \"relname\": \"items\", \"pid\": \"\(builder.backendPID)\"")
            #expect(try await fixture.newest("pg_stat_progress_create_index_phase", work) == 1)
            #expect(try await fixture.newest("pg_stat_progress_create_index_lockers", work) == 1)
            #expect(try await fixture.newest("pg_stat_progress_create_index_done_ratio", work) == 0)
            #expect(
                try await fixture.scalar(
                    """
                    select labels ->> 'phase' from monitoring.series inner join monitoring.metric_families
                        using (metric_family_id)
                    where name = 'pg_stat_progress_create_index_phase' and labels @> $1::jsonb
                    """, [work]) == "waiting for writers before build")
            #expect(try await fixture.newest("pg_invalid_indexes", labels(fixture)) == 0)
            #expect(try await fixture.newest("pg_index_invalid") == nil)

            try await reader.execute("commit")
            #expect(await build == "23505")
            try await fixture.collect("indexes")
            #expect(try await fixture.newest("pg_invalid_indexes", labels(fixture)) == 1)
            #expect(try await fixture.newest("pg_index_invalid", index(fixture, "items_id")) == 1)
            await reader.close()
            await builder.close()
        }
    }

    @Test("a running vacuum shows under the names that dashboards know, with the share that is done")
    func vacuum() async throws {
        try await Fixture.withDatabase { fixture in
            let shop = try await fixture.application()
            try await shop.execute(
                """
                create table items (id integer, note text) with (autovacuum_enabled = off);
                insert into items select g, repeat('x', 500) from generate_series(1, 2000) as g;
                delete from items;
                set vacuum_cost_delay = 100; set vacuum_cost_limit = 1
                """)
            async let vacuum = failure(of: shop, "vacuum items")
            #expect(
                try await fixture.becomesTrue(
                    """
                    select exists (
                        select 1 from pg_stat_progress_vacuum where pid = $1::integer and heap_blks_scanned > 0)
                    """, [String(shop.backendPID)]))
            let run = try await fixture.collect("progress")["progress"]
            #expect(run?.status == "ok", "\(run?.reason ?? "")")
            let items = labels(fixture, ", \"relname\": \"items\"")
            #expect(try await fixture.newest("pg_stat_progress_vacuum_phase", items) == 1)
            let blocks = try #require(try await fixture.newest("pg_stat_progress_vacuum_heap_blks", items))
            let scanned = try #require(try await fixture.newest("pg_stat_progress_vacuum_heap_blks_scanned", items))
            #expect(blocks > 100 && scanned > 0 && scanned <= blocks)
            #expect(try await fixture.newest("pg_stat_progress_vacuum_done_ratio", items) == scanned / blocks)
            let version = try #require(Int(try await fixture.scalar("show server_version_num") ?? ""))
            let rows = try await fixture.newest("pg_stat_progress_vacuum_num_dead_tuples", items)
            let bytes = try await fixture.newest("pg_stat_progress_vacuum_dead_tuple_bytes", items)
            #expect((rows != nil) == (version < 170_000))
            #expect((bytes != nil) == (version >= 170_000))
            _ = try await fixture.admin.query("select pg_cancel_backend($1::integer)", [String(shop.backendPID)])
            #expect(await vacuum == "57014")
            await shop.close()
        }
    }

    @Test("a sequence is measured against the column it feeds; one that cannot be read is a gap with its grant")
    func sequences() async throws {
        try await Fixture.withDatabase { fixture in
            let shop = try await fixture.application()
            try await shop.execute(
                """
                create table orders (id smallint, code integer);
                create sequence order_ids as bigint owned by orders.id;
                select setval('order_ids', 19660);
                create sequence fresh;
                create sequence falling increment -1 minvalue -1000 maxvalue -1;
                select setval('falling', -900);
                create sequence again as smallint cycle;
                select setval('again', 32767);
                create sequence by_default;
                alter table orders alter code set default nextval('by_default');
                select setval('by_default', 1073741824);
                create sequence wide minvalue -9223372036854775808 start 1;
                select setval('wide', 9)
                """)
            var run = try await fixture.collect("sequences")["sequences"]
            #expect(run?.status == "ok", "\(run?.reason ?? "")")
            #expect(try await fixture.newest("pg_sequence_used_ratio") == nil)
            #expect(try await fixture.newest("pg_sequences_highest_used_ratio") == nil)
            let gap = try #require(try await fixture.scalar(openGaps))
            #expect(gap.contains("5 of its sequences cannot be read"))
            let grant = try #require(gap.firstRange(of: "grant ").map { String(gap[$0.lowerBound...]) })
            try await shop.execute(grant)

            run = try await fixture.collect("sequences")["sequences"]
            #expect(run?.status == "ok", "\(run?.reason ?? "")")
            #expect(try await fixture.scalar(openGaps) == nil)
            let used = { (name: String) in
                try await fixture.newest(
                    "pg_sequence_used_ratio", self.labels(fixture, ", \"sequencename\": \"\(name)\""))
            }
            #expect(try await used("order_ids") == 19659.0 / 32766)
            #expect(try await used("falling") == 899.0 / 999)
            #expect(try await used("by_default") == 0.5)
            #expect(try await used("wide") == 0.5)
            #expect(try await used("fresh") == nil)
            #expect(try await used("again") == nil)
            let left = labels(fixture, ", \"sequencename\": \"order_ids\"")
            #expect(try await fixture.newest("pg_sequence_remaining", left) == 32767 - 19660)
            #expect(try await fixture.newest("pg_sequences_highest_used_ratio", labels(fixture)) == 899.0 / 999)

            try await shop.execute("begin; alter sequence order_ids maxvalue 30000")
            run = try await fixture.collect("sequences")["sequences"]
            #expect(run?.status == "ok", "\(run?.reason ?? "")")
            #expect(try await fixture.scalar(openGaps) == "somebody alters it, or waits to")
            #expect(try await used("falling") == 899.0 / 999)
            await shop.close()
        }
    }

    @Test("sizes are the file system's; a table of which one index is locked is a gap and holds up nobody")
    func sizes() async throws {
        try await Fixture.withDatabase { fixture in
            let shop = try await fixture.application()
            try await shop.execute(
                """
                create table items (id integer primary key, note text);
                insert into items select g, repeat('x', 200) from generate_series(1, 1000) as g;
                create table calm ()
                """)
            try await shop.execute("vacuum items")
            var runs = try await fixture.collect("sizes", "database_sizes")
            for (name, run) in runs { #expect(run.status == "ok", "\(name): \(run.reason ?? "")") }
            let items = labels(fixture, ", \"relname\": \"items\"")
            for (metric, size) in [
                ("pg_table_size_bytes", "pg_table_size('items')"),
                ("pg_table_indexes_size_bytes", "pg_indexes_size('items')"),
                ("pg_table_total_size_bytes", "pg_total_relation_size('items')"),
            ] {
                let expected = try await fixture.scalar("select \(size)").flatMap(Double.init)
                #expect(try await fixture.newest(metric, items) == expected, "\(metric)")
            }
            let size = try #require(try await fixture.newest("pg_database_size_bytes", labels(fixture)))
            #expect(size > 5_000_000)
            #expect(try await fixture.newest("pg_database_size_bytes", "{\"datname\": \"postgres\"}") != nil)

            try await shop.execute("begin; reindex index items_pkey")
            runs = try await fixture.collect("sizes", "indexes")
            for (name, run) in runs {
                #expect(run.status == "ok", "\(name): \(run.reason ?? "")")
                #expect(run.seconds < 5)
            }
            let gaps = try #require(try await fixture.scalar(openGaps))
            #expect(gaps == "an access exclusive lock is held on it, an access exclusive lock is held on it")
            #expect(try await fixture.newest("pg_table_size_bytes", labels(fixture, ", \"relname\": \"calm\"")) == 0)
            try await shop.execute("commit")
            await shop.close()
        }
    }

    @Test("what cannot happen has no series in pg_stat_io's families, and bytes are blocks times their size")
    func inputOutput() async throws {
        try await Fixture.withDatabase { fixture in
            let version = try #require(Int(try await fixture.scalar("show server_version_num") ?? ""))
            let run = try #require(try await fixture.collect("io")["io"])
            guard version >= 160_000 else {
                #expect(run.status != "ok")
                #expect(run.reason?.isEmpty == false)
                return
            }
            #expect(run.status == "ok", "\(run.reason ?? "")")
            let client = "{\"backend_type\": \"client backend\", \"object\": \"relation\", \"context\": \"normal\"}"
            let extends = try #require(try await fixture.newest("pg_stat_io_extends_total", client))
            #expect(try await fixture.newest("pg_stat_io_extend_bytes_total", client) == extends * 8192)
            // The checkpointer reads and extends nothing.
            let checkpointer = "{\"backend_type\": \"checkpointer\"}"
            #expect(try await fixture.newest("pg_stat_io_writes_total", checkpointer) != nil)
            #expect(try await fixture.newest("pg_stat_io_reads_total", checkpointer) == nil)
            #expect(try await fixture.newest("pg_stat_io_extends_total", checkpointer) == nil)
        }
    }

    @Test("ten thousand tables are measured within the time limit, bounded by the caps, and the rest is counted")
    func tenThousandTables() async throws {
        try await Fixture.withDatabase { fixture in
            let shop = try await fixture.application()
            // A commit now and then: the server would need as many locks as tables otherwise.
            try await shop.execute(
                """
                do $$
                begin
                    for number in 1..10000 loop
                        execute format('create table public.t%s (id integer)', number);
                        if number <= 1500 then execute format('create index on public.t%s (id)', number); end if;
                        if number % 200 = 0 then commit; end if;
                    end loop;
                end
                $$
                """)
            let runs = try await fixture.collect("tables", "indexes", "sizes", "wraparound", "sequences")
            for (name, run) in runs {
                #expect(run.status == "ok", "\(name): \(run.reason ?? "")")
                print("10,000 tables: \(name) took \(run.seconds) s, \(run.samples) samples")
            }
            #expect(runs.count == 5)
            let counts = try await fixture.scalar(
                """
                select string_agg(format('%s %s', name, folded), ', ' order by name)
                from monitoring.collector_status where name in ('tables', 'indexes', 'sizes')
                """)
            let own = try #require(
                Int(
                    try await fixture.scalar(
                        """
                        select count(*) from pg_class where relkind in ('r', 'm')
                            and relnamespace in ('monitoring'::regnamespace, 'monitoring_internal'::regnamespace)
                        """) ?? ""))
            let ownIndexes = try #require(
                Int(
                    try await fixture.scalar(
                        """
                        select count(*) from pg_class where relkind = 'i'
                            and relnamespace in ('monitoring'::regnamespace, 'monitoring_internal'::regnamespace)
                        """) ?? ""))
            #expect(counts == "indexes \(500 + ownIndexes), sizes \(8000 + own), tables \(9500 + own)")
            #expect(try #require(runs["sizes"]).samples <= 3 * 501)
            #expect(try #require(runs["indexes"]).samples <= 7 * 1001 + 3)
            await shop.close()
        }
    }
}

/// The SQLSTATE that a statement ends with; nil when it ends well.
private func failure(of connection: PostgresConnection, _ sql: String) async -> String? {
    do throws(PostgresError) {
        try await connection.execute(sql)
        return nil
    } catch {
        return error.sqlState
    }
}
