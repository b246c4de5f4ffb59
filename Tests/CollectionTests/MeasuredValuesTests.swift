import Postgres
import TestSupport
import Testing

@testable import Collection

/// Collectors against work of known size.
@Suite struct MeasuredValuesTests {
    private func labels(_ fixture: Fixture, _ more: String = "") -> String {
        "{\"datname\": \"\(fixture.database.name)\"\(more)}"
    }

    @Test("xact_commit grows by the transactions that were committed")
    func commits() async throws {
        try await Fixture.withDatabase { fixture in
            let shop = try await fixture.application()
            #expect(try await fixture.collect("database")["database"]?.status == "ok")
            let before = try #require(try await fixture.newest("pg_stat_database_xact_commit", labels(fixture)))
            for _ in 0..<200 { _ = try await shop.query("select 1") }
            _ = try await shop.query("select pg_stat_force_next_flush()")
            try await fixture.collect("database")
            let after = try #require(try await fixture.newest("pg_stat_database_xact_commit", labels(fixture)))
            // Our own few statements commit as well.
            #expect((200...320).contains(after - before), "grew by \(after - before)")
            await shop.close()
        }
    }

    @Test("a table's inserts, updates, deletes and dead rows are counted exactly")
    func rows() async throws {
        try await Fixture.withDatabase { fixture in
            let shop = try await fixture.application()
            try await shop.execute("create table items (id integer primary key, note text)")
            try await shop.execute("insert into items select g, 'x' from generate_series(1, 123) as g")
            try await shop.execute("update items set note = 'y' where id <= 23; delete from items where id > 113")
            _ = try await shop.query("select pg_stat_force_next_flush()")
            let run = try await fixture.collect("tables")["tables"]
            #expect(run?.status == "ok")
            let items = labels(fixture, ", \"schemaname\": \"public\", \"relname\": \"items\"")
            for (metric, value) in [
                ("n_tup_ins", 123.0), ("n_tup_upd", 23), ("n_tup_del", 10), ("n_live_tup", 113), ("n_dead_tup", 33),
                ("n_mod_since_analyze", 156), ("vacuum_count", 0),
            ] {
                #expect(try await fixture.newest("pg_stat_user_tables_\(metric)", items) == value, "\(metric)")
            }
            #expect(try await fixture.newest("pg_stat_user_tables_table_size_bytes", items) == nil)
            try await shop.execute("vacuum analyze items")
            _ = try await shop.query("select pg_stat_force_next_flush()")
            try await fixture.collect("tables")
            #expect(try await fixture.newest("pg_stat_user_tables_n_dead_tup", items) == 0)
            #expect(try await fixture.newest("pg_stat_user_tables_vacuum_count", items) == 1)
            #expect(try await fixture.newest("pg_stat_user_tables_index_size_bytes", items) == 16384)
            let vacuumed = try #require(try await fixture.newest("pg_stat_user_tables_last_vacuum", items))
            #expect(vacuumed > 1_700_000_000)
            await shop.close()
        }
    }

    @Test("a session that waits for a lock shows, with its mode and how long it waits")
    func blocked() async throws {
        try await Fixture.withDatabase { fixture in
            let holder = try await fixture.application()
            let waiter = try await fixture.application()
            try await holder.execute("create table door ()")
            try await holder.execute("begin; lock table door in access exclusive mode")
            async let waiting: Void = waiter.execute("begin; lock table door in share mode; commit")
            #expect(try await fixture.waitUntilBlocked(waiter))
            #expect(try await fixture.collect("locks")["locks"]?.status == "ok")
            let mode = { (name: String) in self.labels(fixture, ", \"mode\": \"\(name)\"") }
            #expect(try await fixture.newest("pg_locks_waiting", mode("sharelock")) == 1)
            #expect(try await fixture.newest("pg_locks_waiting", mode("accessexclusivelock")) == 0)
            #expect(try await fixture.newest("pg_locks_count", mode("accessexclusivelock")) == 1)
            // These three are of the whole server, where other tests wait as well.
            #expect(try #require(try await fixture.newest("pg_blocked_sessions")) >= 1)
            #expect(try #require(try await fixture.newest("pg_blocking_sessions")) >= 1)
            #expect(try #require(try await fixture.newest("pg_longest_lock_wait_seconds")) > 0)
            try await fixture.collect("activity")
            let wait = labels(fixture, ", \"wait_event_type\": \"Lock\", \"wait_event\": \"relation\"")
            #expect(try await fixture.newest("pg_stat_activity_count", wait) == 1)
            try await holder.execute("commit")
            try await waiting
            try await fixture.collect("locks")
            #expect(try await fixture.newest("pg_locks_waiting", mode("sharelock")) == 0)
            await holder.close()
            await waiter.close()
        }
    }

    @Test("a deadlock counts once, in a counter")
    func deadlock() async throws {
        try await Fixture.withDatabase { fixture in
            try await fixture.collect("database")
            let before = try #require(try await fixture.newest("pg_stat_database_deadlocks", labels(fixture)))
            let one = try await fixture.application()
            let other = try await fixture.application()
            for connection in [one, other] { try await connection.execute("set deadlock_timeout = '100ms'") }
            try await one.execute("create table a (); create table b ()")
            try await one.execute("begin; lock table a")
            try await other.execute("begin; lock table b")
            async let first = Self.state(of: one, "lock table b")
            #expect(try await fixture.waitUntilBlocked(one))
            async let second = Self.state(of: other, "lock table a")
            let states = await [first, second]
            #expect(states.filter { $0 == "40P01" }.count == 1, "\(states)")
            for connection in [one, other] {
                try await connection.execute("rollback")
                _ = try await connection.query("select pg_stat_force_next_flush()")
            }
            try await fixture.collect("database")
            let after = try #require(try await fixture.newest("pg_stat_database_deadlocks", labels(fixture)))
            #expect(after - before == 1)
            #expect(
                try await fixture.scalar(
                    "select kind from monitoring.metric_families where name = 'pg_stat_database_deadlocks'")
                    == "counter")
            await one.close()
            await other.close()
        }
    }

    /// The SQLSTATE that a statement ends with; nil when it succeeds.
    private static func state(of connection: PostgresConnection, _ statement: String) async -> String? {
        do throws(PostgresError) {
            try await connection.execute(statement)
            return nil
        } catch { return error.sqlState }
    }

    @Test("sessions are counted without the collector's own, which are counted apart")
    func ownSessions() async throws {
        try await Fixture.withDatabase { fixture in
            let active = labels(fixture, ", \"state\": \"active\"")
            // The session that collects is active while it counts.
            try await fixture.collect("activity")
            #expect(try await fixture.newest("pg_stat_activity_count", active) == 0)
            #expect(try #require(try await fixture.newest("pgvigil_excluded_sessions")) >= 1)
            let shop = try await fixture.application()
            async let busy = Self.state(of: shop, "select pg_sleep(60)")
            #expect(
                try await fixture.becomesTrue(
                    "select exists (select 1 from pg_stat_activity where pid = $1::integer and wait_event = 'PgSleep')",
                    [String(shop.backendPID)]))
            try await fixture.collect("activity")
            #expect(try await fixture.newest("pg_stat_activity_count", active) == 1)
            let named = labels(fixture, ", \"application_name\": \"shop\", \"wait_event\": \"PgSleep\"")
            #expect(try await fixture.newest("pg_stat_activity_count", named) == 1)
            #expect(
                try await fixture.scalar(
                    "select count(*) from monitoring.series where labels ->> 'application_name' ~ '^pgvigil'") == "0")
            _ = try await fixture.admin.query("select pg_cancel_backend($1::integer)", [String(shop.backendPID)])
            let ended = await busy
            #expect(ended == "57014")
            await shop.close()
        }
    }

    @Test("a session idle in a transaction has an age, and holds the horizon")
    func idleInTransaction() async throws {
        try await Fixture.withDatabase { fixture in
            let shop = try await fixture.application()
            try await shop.execute("begin isolation level repeatable read; create table held ()")
            try await fixture.collect("activity")
            let idle = labels(fixture, ", \"state\": \"idle in transaction\"")
            #expect(try await fixture.newest("pg_stat_activity_count", idle) == 1)
            #expect(try #require(try await fixture.newest("pg_stat_activity_max_tx_duration", idle)) > 0)
            #expect(
                try #require(try await fixture.newest("pg_stat_activity_oldest_idle_in_transaction_seconds")) > 0)
            #expect(
                try #require(try await fixture.newest("pg_xmin_horizon_age_xids", "{\"holder\": \"session\"}")) >= 1)
            await shop.close()
        }
    }
}
