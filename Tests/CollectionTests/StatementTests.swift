import EmbeddedPostgres
import Postgres
import Testing

@testable import Collection
@testable import TestSupport

/// Statement statistics of work of known size, on clusters of their own: other tests' statements would evict it.
@Suite(.serialized) struct StatementTests {
    /// Runs `body` with a database in a cluster with the settings, in which only the statement collectors are enabled.
    private func withServer(
        _ settings: [String: String] = [:], extensionVersion: String? = nil,
        _ body: @escaping (Fixture) async throws -> Void
    ) async throws {
        let options = try await TestCluster.migrated(EmbeddedCluster.Options(settings: settings))
        try await TestCluster.withCluster(options) { cluster in
            let database = Database(name: TestCluster.migratedDatabase, cluster: cluster)
            let admin = try await database.connect()
            let version = extensionVersion.map { "version '\($0)'" } ?? ""
            try await admin.execute(
                """
                create extension pg_stat_statements \(version);
                update monitoring.collectors set is_enabled = (name ~ '^statement');
                create table items (id integer primary key, note text);
                insert into items select g, 'x' from generate_series(1, 50) as g;
                """)
            let fixture = Fixture(database: database, admin: admin)
            try await body(fixture)
            await admin.close()
        }
    }

    /// How often statements whose text holds `part` ran by the newest interval, and how many rows say so: "100 in 1".
    private func newest(_ fixture: Fixture, _ part: String) async throws -> String? {
        try await fixture.scalar(
            """
            select format('%s in %s', coalesce(sum(execution_count), 0), count(*))
            from monitoring.query_performance
            where collected_at = (select max(collected_at) from monitoring.query_performance)
                and normalized_query like $1
            """, ["%\(part)%"])
    }

    private func isNowhereNegative(_ fixture: Fixture) async throws -> Bool {
        try await fixture.scalar(
            """
            select not exists (
                select 1 from monitoring.statement_intervals
                where least(calls, total_exec_time, rows_processed, shared_blks_hit, shared_blks_read, temp_blks_read,
                    blk_read_time, wal_bytes, stddev_exec_time, min_exec_time, max_exec_time) < 0)
            """) == "t"
    }

    @Test("100 executions between two runs are 100, with their own mean, found by the statement's text")
    func knownWorkload() async throws {
        try await withServer { fixture in
            let shop = try await fixture.application()
            for _ in 0..<7 { _ = try await shop.query("select note from items where id = 1") }
            try await shop.execute("create role shop_clerk password 'hunter2' -- token=hunter2")
            #expect(try await fixture.collect("statements")["statements"]?.status == "ok")
            for _ in 0..<100 { _ = try await shop.query("select note from items where id = 2") }
            try await shop.execute("alter role shop_clerk password 'hunter2'")
            let run = try await fixture.collect("statements")["statements"]
            let stored = try await fixture.scalar("select count(*) from monitoring.statement_intervals")
            #expect((run?.samples).map(String.init) == stored)
            #expect(try await fixture.collect("statement_texts")["statement_texts"]?.status == "ok")
            #expect(try await newest(fixture, "note from items where id = $") == "100 in 1")
            #expect(
                try await fixture.scalar(
                    """
                    select count(*) from monitoring.query_performance
                    where normalized_query ~ 'note from items' and execution_count = 100
                        and mean_exec_time = total_exec_time / 100 and mean_exec_time > 0 and stddev_exec_time >= 0
                        and rows_processed = 100 and shared_blks_hit >= 100 and max_exec_time_bound >= mean_exec_time
                        and performance_category is not null and database_name = current_database()
                        and user_name = current_user and server = 'local'
                    """) == "1")
            // The first role statement was before the first run; its interval is unknown, so it has no row.
            #expect(try await newest(fixture, "alter role shop_clerk password ?") == "1 in 1")
            #expect(
                try await fixture.scalar(
                    "select count(*) from monitoring.statements where normalized_query ~ '(hunter|token|create role)'")
                    == "0")
            #expect(try await isNowhereNegative(fixture))
            await shop.close()
        }
    }

    @Test("a reset in between gives what was done since it, and nothing negative")
    func reset() async throws {
        try await withServer { fixture in
            for _ in 0..<90 { _ = try await fixture.admin.query("select note from items where id = 1") }
            try await fixture.collect("statements")
            _ = try await fixture.admin.query("select pg_stat_statements_reset()")
            for _ in 0..<12 { _ = try await fixture.admin.query("select note from items where id = 1") }
            try await fixture.collect("statements")
            try await fixture.collect("statement_texts")
            for _ in 0..<5 { _ = try await fixture.admin.query("select note from items where id = 1") }
            try await fixture.collect("statements")
            try await fixture.collect("statement_texts")
            #expect(
                try await fixture.scalar(
                    """
                    select string_agg(execution_count || case when is_new then ' new' else '' end, ', '
                        order by collected_at)
                    from monitoring.query_performance where normalized_query ~ 'note from items'
                    """) == "12 new, 5")
            #expect(try await isNowhereNegative(fixture))
        }
    }

    @Test("with more statements than there is room for, nothing is negative and the intervals are marked lossy")
    func eviction() async throws {
        try await withServer(["pg_stat_statements.max": "100"]) { fixture in
            for round in 0..<4 {
                for _ in 0..<20 { _ = try await fixture.admin.query("select note from items where id = 1") }
                for number in 0..<120 { try await fixture.admin.execute("set app.r\(round)x\(number) = 'x'") }
                for _ in 0..<20 { _ = try await fixture.admin.query("select note from items where id = 1") }
                #expect(try await fixture.collect("statements")["statements"]?.status == "ok")
            }
            #expect(try await isNowhereNegative(fixture))
            #expect(
                try await fixture.scalar(
                    "select lossy_intervals >= 1 and lossy_intervals = intervals from monitoring.statement_sources")
                    == "t")
            // Evicted and back, it may have lost calls, but none is counted twice.
            #expect(
                try await fixture.scalar(
                    """
                    select bool_and(execution_count <= 40) from monitoring.query_performance as part
                    where query_id = (
                        select queryid from pg_stat_statements where query ~ '^select note from items' limit 1)
                    """) != "f")
        }
    }

    @Test("what a function runs and what a client runs are two rows of one statement")
    func twins() async throws {
        try await withServer(["pg_stat_statements.track": "all"]) { fixture in
            try await fixture.admin.execute(
                """
                select monitoring.set_setting('statements.top', '10000');
                create function count_items() returns bigint language plpgsql as $$
                declare v_count bigint;
                begin
                    select count(*) from items into v_count;
                    return v_count;
                end $$
                """)
            try await fixture.collect("statements")
            for _ in 0..<10 { _ = try await fixture.admin.query("select count(*) from items") }
            for _ in 0..<4 { _ = try await fixture.admin.query("select count_items()") }
            try await fixture.collect("statements")
            try await fixture.collect("statement_texts")
            #expect(
                try await fixture.scalar(
                    """
                    select string_agg(execution_count || ' ' || is_toplevel, ', ' order by execution_count)
                    from monitoring.query_performance where normalized_query ~ '^select count\\(\\*\\) from items'
                    """) == "4 false, 10 true")
        }
    }

    @Test("an extension older than its server is read by what it has", arguments: ["1.8", "1.9", "1.10"])
    func oldExtension(version: String) async throws {
        try await withServer(["pg_stat_statements.track": "all"], extensionVersion: version) { fixture in
            try await fixture.admin.execute(
                """
                select monitoring.set_setting('statements.top', '10000');
                create function count_items() returns bigint language plpgsql as $$
                declare v_count bigint;
                begin
                    select count(*) from items into v_count;
                    return v_count;
                end $$
                """)
            for _ in 0..<2 { _ = try await fixture.admin.query("select count(*) from items") }
            _ = try await fixture.admin.query("select count_items()")
            #expect(try await fixture.collect("statements")["statements"]?.reason == nil)
            for _ in 0..<10 { _ = try await fixture.admin.query("select count(*) from items") }
            for _ in 0..<4 { _ = try await fixture.admin.query("select count_items()") }
            try await fixture.collect("statements")
            try await fixture.collect("statement_texts")
            // Before 1.9 nothing tells the two apart.
            let expected = version == "1.8" ? "14" : "4, 10"
            #expect(
                try await fixture.scalar(
                    """
                    select string_agg(execution_count::text, ', ' order by execution_count)
                    from monitoring.query_performance where normalized_query ~ '^select count\\(\\*\\) from items'
                    """) == expected)
            #expect(
                try await fixture.scalar(
                    """
                    select (dealloc is null) = ('\(version)' = '1.8') and identity ~ ' \(version)$'
                    from monitoring.statement_sources
                    """) == "t")
            #expect(try await isNowhereNegative(fixture))
            // Updated in between, it counts what it did not before: no interval, then as ever.
            try await fixture.admin.execute("alter extension pg_stat_statements update")
            #expect(try await fixture.collect("statements")["statements"]?.status == "ok")
            let comparable = try await fixture.scalar(
                "select identity ~ ' \(version)$' from monitoring.statement_sources")
            let intervals = try await fixture.scalar("select intervals from monitoring.statement_sources")
            #expect(intervals == (comparable == "t" ? "2" : "1"))
        }
    }

    @Test("without the library they are unavailable and say what mends it, and the others run")
    func notPreloaded() async throws {
        try await withServer(["shared_preload_libraries": ""]) { fixture in
            try await fixture.admin.execute(
                "update monitoring.collectors set is_enabled = true where name = 'database'")
            let runs = try await fixture.collect()
            for name in ["statements", "statement_texts"] {
                #expect(runs[name]?.status == "unavailable")
                #expect(runs[name]?.reason?.contains("shared_preload_libraries") == true)
                #expect(
                    runs[name]?.remedy?.hasPrefix("alter system set shared_preload_libraries = 'pg_stat_statements'")
                        == true)
            }
            #expect(runs["database"]?.status == "ok")
        }
    }
}
