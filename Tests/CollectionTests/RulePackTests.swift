import EmbeddedPostgres
import Postgres
import Testing

@testable import TestSupport

/// The rules that are shipped, on the real thing: a server is brought into the condition, measured by the collectors,
/// and judged by the evaluator.
@Suite struct RulePackTests {
    private static let settings = [
        "wal_level": "logical", "max_prepared_transactions": "5", "max_connections": "40", "archive_mode": "on",
        "archive_command": "/bin/true", "deadlock_timeout": "100ms",
    ]
    /// Rules that fire within a quarter of an hour.
    private static let soon = [
        "archive_failing", "blocked_sessions", "connections_used", "deadlocks", "fsync_off", "full_page_writes_off",
        "idle_in_transaction", "lock_wait", "prepared_transaction_forgotten", "replica_disconnected", "rollback_ratio",
        "sequence_exhaustion", "slot_inactive",
    ]
    /// Rules that take an hour.
    private static let late = [
        "autovacuum_off", "checkpoints_forced", "invalid_index", "settings_pending_restart", "table_vacuum_overdue",
    ]

    @Test("a dozen real conditions are alerted on, and are over when they are mended", .timeLimit(.minutes(5)))
    func conditions() async throws {
        let options = try await TestCluster.migrated(.init(settings: Self.settings))
        try await TestCluster.withCluster(options) { primary in
            let scenario = try await AlertScenario(cluster: primary)
            try await TestCluster.withCluster(.init(origin: .standby(of: primary), settings: Self.settings)) {
                standby in
                try await quiet(scenario)
                let trouble = try await Trouble.make(scenario, standby)
                try await alerted(scenario)
                try await trouble.mend(scenario, standby)
                try await over(scenario)
            }
            try await restarted(scenario)
            await scenario.admin.close()
        }
    }

    /// A fresh server: nothing fires but what is true of every test server, and each rule that reads nothing is known.
    private func quiet(_ scenario: AlertScenario) async throws {
        #expect(
            try await scenario.becomesTrue("select count(*) = 1 from pg_stat_replication where state = 'streaming'"))
        try await scenario.measure()
        let all = try await scenario.admin.query("select rule_name from monitoring.alert_rules").compactMap {
            $0["rule_name"]
        }
        try await scenario.pass(minutes: 12, rules: all)
        #expect(try await scenario.open() == ["fsync_off", "full_page_writes_off"])
        let silent = try await scenario.admin.query(
            """
            select rule.rule_name from monitoring.alert_rules as rule
            inner join monitoring.alert_rule_states as state using (rule_no)
            where state.series_matched = 0 order by 1
            """
        ).compactMap { $0["rule_name"] }
        #expect(Set(silent).subtracting(Self.silent).isEmpty)
        #expect(silent.count < all.count / 2)
    }

    /// Nothing is archived or kept past its time, and no backup was checked; no slot, subscription, invalid index,
    /// sequence or service's machine yet; nobody idle, blocked or prepared; no rollup was due; the standby is no target,
    /// so that what only a standby measures is not seen.
    private static let silent = [
        "archive_problem", "backup_check_problem", "checksum_failures", "cpu_used", "disk_full_forecast", "disk_used",
        "evaluator_late", "idle_in_transaction", "invalid_index", "job_failing", "job_waiting", "lock_wait",
        "long_transaction", "memory_used", "prepared_transaction_forgotten", "replica_lag_time", "retention_refused",
        "rollups_behind", "samples_refused", "sequence_exhaustion", "slot_inactive", "slot_lost", "slot_retained_wal",
        "slot_unreserved", "slot_wal_limit", "statement_regressions", "statements_evicted", "subscription_errors",
        "wal_receiver_down", "xmin_horizon_age",
    ]

    private func alerted(_ scenario: AlertScenario) async throws {
        // A storm of rollbacks goes on for eleven minutes; the deadlock is among the first of what the counters show.
        for _ in 1...11 {
            try await scenario.admin.execute("do $$ begin for i in 1..1500 loop rollback; end loop; end $$")
            _ = try await scenario.scalar("select pg_stat_force_next_flush()")
            try await scenario.measure("database")
            try await scenario.pass(minutes: 1, every: 30, rules: Self.soon)
        }
        let home = "{\"datname\": \"\(scenario.database)\"}"
        #expect(try await scenario.open(home).contains("deadlocks"))
        #expect(
            try await scenario.newest("rollback_ratio").hasPrefix("active high Rollbacks in \(scenario.database): "))
        try await scenario.pass(minutes: 12, rules: Self.soon)
        for rule in Self.soon where rule != "rollback_ratio" && rule != "deadlocks" {
            #expect(try await scenario.newest(rule).hasPrefix("active"), "\(rule)")
        }
        try await scenario.pass(minutes: 35, every: 300, rules: Self.late)
        #expect(
            try await scenario.newest("checkpoints_forced") == "active medium Checkpoints forced by WAL: 100 % of them")
        try await scenario.pass(minutes: 45, every: 300, rules: Self.late)
        for rule in Self.late where rule != "checkpoints_forced" {
            #expect(try await scenario.newest(rule).hasPrefix("active"), "\(rule)")
        }
        for (labels, rule) in [
            ("{\"slot_name\": \"unused\"}", "slot_inactive"), ("{\"indexrelname\": \"items_note\"}", "invalid_index"),
            ("{\"sequencename\": \"small_id_seq\"}", "sequence_exhaustion"), (home, "prepared_transaction_forgotten"),
            ("{\"relname\": \"worn\"}", "table_vacuum_overdue"),
        ] {
            #expect(try await scenario.open(labels).contains(rule), "\(rule) has other labels")
        }
        #expect(
            try await scenario.newest("lock_wait").hasPrefix("active critical A session has waited for a lock for "))
        #expect(try await scenario.newest("connections_used").hasPrefix("active critical Connection slots in use: 9"))
    }

    private func over(_ scenario: AlertScenario) async throws {
        try await scenario.measure()
        try await scenario.pass(minutes: 30, rules: Self.soon)
        try await scenario.pass(minutes: 75, every: 300, rules: Self.late)
        // A sequence is looked at once an hour; one with room is not in the list any more.
        try await scenario.pass(minutes: 240, every: 1200, rules: ["sequence_exhaustion"])
        for rule in Self.soon + Self.late {
            #expect(try await scenario.newest(rule).hasPrefix("resolved"), "\(rule)")
        }
        #expect(try await scenario.open() == [])
    }

    private func restarted(_ scenario: AlertScenario) async throws {
        try await scenario.measure()
        try await scenario.pass(minutes: 12, every: 300, rules: ["instance_restarted"])
        try await scenario.restart()
        try await scenario.measure("instance")
        try await scenario.pass(minutes: 2, rules: ["instance_restarted"])
        #expect(try await scenario.newest("instance_restarted") == "active medium Server was restarted")
        try await scenario.pass(minutes: 20, every: 300, rules: ["instance_restarted"])
        #expect(try await scenario.newest("instance_restarted").hasPrefix("resolved"))
    }
}

/// What is wrong with the server, and the sessions that make it so.
private struct Trouble {
    private let holder: PostgresConnection
    private let waiters: [PostgresConnection]
    private let waiting: [Task<Void, any Error>]
    private let idle: [PostgresConnection]

    /// Brings all of it about, and measures it.
    static func make(_ scenario: AlertScenario, _ standby: EmbeddedCluster) async throws -> Trouble {
        try await scenario.admin.execute(
            """
            create table small (id serial);
            select setval('small_id_seq', 2000000000);
            grant select on sequence small_id_seq to monitoring_owner;
            create table worn as select g as id from generate_series(1, 1000) as g;
            update worn set id = id;
            create table items as select 'twice' as note from generate_series(1, 2);
            create table door ();
            select pg_create_physical_replication_slot('unused', true);
            """)
        let refused = await state(of: scenario.admin, "create unique index concurrently items_note on items (note)")
        #expect(refused == "23505")
        for setting in ["archive_command = '/bin/false'", "max_connections = 41"] {
            try await scenario.admin.execute("alter system set \(setting)")
        }
        for _ in 1...8 { try await scenario.admin.execute("checkpoint") }
        try await scenario.admin.execute("select pg_reload_conf(); select pg_switch_wal()")
        try await standby.killPostmaster()

        let preparing = try await scenario.application()
        try await preparing.execute("begin; create table left_behind (); prepare transaction 'left'")
        try await deadlock(preparing, scenario)
        try await preparing.execute("begin; select 1")
        let holder = try await scenario.application()
        try await holder.execute("begin; lock table door")
        var waiters: [PostgresConnection] = []
        for _ in 1...6 { waiters.append(try await scenario.application()) }
        let waiting = waiters.map { waiter in Task { try await waiter.execute("begin; lock table door; commit") } }
        var idle = [preparing]
        let used = Int(
            try await scenario.scalar("select count(*) from pg_stat_activity where backend_type = 'client backend'")
                ?? "")
        for _ in try #require(used)..<35 { idle.append(try await scenario.application()) }

        for condition in [
            "select count(*) = 6 from pg_locks where not granted",
            // The archiver may have been at work when the new command came: it gets another file until one fails.
            """
            select failed_count > 0 or pg_logical_emit_message(true, 'test', 'x') is null or pg_switch_wal() is null
            from pg_stat_archiver
            """,
            "select bool_or(pending_restart) from pg_settings",
            "select count(*) = 0 from pg_stat_replication",
            """
            select pg_stat_get_dead_tuples('worn'::regclass) = 1000
                and (select deadlocks > 0 from pg_stat_database where datname = current_database())
            """,
        ] { #expect(try await scenario.becomesTrue(condition), "\(condition)") }
        try await scenario.measure()
        return Trouble(holder: holder, waiters: waiters, waiting: waiting, idle: idle)
    }

    /// Two sessions that lock two tables crosswise.
    private static func deadlock(_ one: PostgresConnection, _ scenario: AlertScenario) async throws {
        let other = try await scenario.application()
        try await one.execute("create table a (); create table b ()")
        try await one.execute("begin; lock table a")
        try await other.execute("begin; lock table b")
        async let first = state(of: one, "lock table b")
        async let second = state(of: other, "lock table a")
        let states = await [first, second]
        #expect(states.contains("40P01"), "\(states)")
        try await one.execute("rollback")
        // If this was the victim, its count is not to wait in a session that stays in a transaction.
        _ = try await one.query("select pg_stat_force_next_flush()")
        await other.close()
    }

    /// The SQLSTATE that a statement ends with; nil when it succeeds.
    private static func state(of connection: PostgresConnection, _ statement: String) async -> String? {
        do throws(PostgresError) {
            try await connection.execute(statement)
            return nil
        } catch { return error.sqlState }
    }

    /// Takes all of it away.
    func mend(_ scenario: AlertScenario, _ standby: EmbeddedCluster) async throws {
        try await holder.execute("commit")
        for waiter in waiting { try await waiter.value }
        for session in [holder] + waiters + idle { await session.close() }
        try await scenario.admin.execute("rollback prepared 'left'")
        try await scenario.admin.execute("vacuum")
        try await scenario.admin.execute("drop table items, small; select pg_drop_replication_slot('unused')")
        for change in [
            "reset archive_command", "reset max_connections", "set fsync = on", "set full_page_writes = on",
            "set autovacuum = on",
        ] { try await scenario.admin.execute("alter system \(change)") }
        try await scenario.admin.execute("select pg_reload_conf(); select pg_switch_wal()")
        try await standby.startServer()
        for condition in [
            "select last_archived_time > last_failed_time from pg_stat_archiver",
            "select not bool_or(pending_restart) from pg_settings",
            "select count(*) = 1 from pg_stat_replication where state = 'streaming'",
            "select count(*) < 5 from pg_stat_activity where backend_type = 'client backend'",
            "select pg_stat_get_dead_tuples('worn'::regclass) = 0",
        ] { #expect(try await scenario.becomesTrue(condition), "\(condition)") }
    }
}
