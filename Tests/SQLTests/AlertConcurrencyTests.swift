import Postgres
import TestSupport
import Testing

/// `evaluate_alerts()` beside another evaluator, and a killed one: what needs sessions of their own.
@Suite struct AlertConcurrencyTests {
    /// A rule on a metric of which two samples are stored, so that it fires at its first evaluation.
    private static let rule =
        """
        delete from monitoring.alert_rules;
        select monitoring.ingest_samples(array['load', 'load'], array['{"host": "a"}', '{"host": "b"}']::jsonb[],
            array[95.0, 95.0], array[clock_timestamp(), clock_timestamp()]);
        select monitoring.create_alert_rule('{"rule_name": "busy", "metric_name": "load", "aggregate": "last",
            "comparison_operator": "gt", "critical_threshold": 90, "evaluation_window": "10 minutes",
            "evaluation_interval": "1 day", "condition_definition": {"allow_unknown_metric": true}}');
        """
    private static let open = "select count(*) from monitoring.alerts where status <> 'resolved'"
    private static let told = "select count(*) from monitoring.alert_transitions where transition = 'fired'"

    @Test("A-15: two evaluators at once raise one alert for a condition; the second returns at once")
    func twoAtOnce() async throws {
        try await TestDatabase.withDatabase { database in
            let first = try await database.connect()
            let second = try await database.connect(as: "monitoring_service")
            try await first.execute(Self.rule)
            try await first.execute("begin")
            #expect(try await first.query("select monitoring.evaluate_alerts()").scalar == "2")
            #expect(try await second.query("select monitoring.evaluate_alerts()").scalar == "0")
            try await first.execute("commit")
            #expect(try await second.query("select monitoring.evaluate_alerts()").scalar == "0")
            #expect(try await first.query(Self.open).scalar == "2")
            #expect(try await first.query(Self.told).scalar == "2")
            for connection in [first, second] { await connection.close() }
        }
    }

    @Test("an evaluator that is killed in mid-pass leaves nothing half done, and the next pass does it")
    func killed() async throws {
        try await TestDatabase.withDatabase { database in
            let watcher = try await database.connect()
            let victim = try await database.connect()
            try await watcher.execute(Self.rule)
            let pid = try await victim.query("select pg_backend_pid()").scalar ?? ""
            try await victim.execute("begin")
            #expect(try await victim.query("select monitoring.evaluate_alerts()").scalar == "2")
            try await watcher.execute("select pg_terminate_backend(\(pid), 30000)")
            #expect(try await watcher.query(Self.open).scalar == "0")
            #expect(try await watcher.query("select count(*) from monitoring.alert_passes").scalar == "0")
            #expect(try await watcher.query("select monitoring.evaluate_alerts()").scalar == "2")
            #expect(try await watcher.query(Self.told).scalar == "2")
            for connection in [watcher, victim] { await connection.close() }
        }
    }

    /// Both hosts are well again, and the rule is due.
    private static let well =
        """
        select monitoring.ingest_samples(array['load', 'load'], array['{"host": "a"}', '{"host": "b"}']::jsonb[],
            array[1.0, 1.0], array[clock_timestamp(), clock_timestamp()]);
        """
    private static let due = "update monitoring.alert_rule_states set next_evaluation_at = '-infinity'"

    @Test("who forgets to commit an acknowledgement holds up neither the pass nor another alert")
    func heldRow() async throws {
        try await TestDatabase.withDatabase { database in
            let evaluator = try await database.connect()
            let person = try await database.connect()
            try await evaluator.execute(
                Self.rule + "update monitoring.alert_rules set keep_firing_for = '0'; set lock_timeout = '20s'")
            #expect(try await evaluator.query("select monitoring.evaluate_alerts()").scalar == "2")
            try await person.execute("begin")
            try await person.execute(
                "select monitoring.acknowledge_alert(id) from monitoring.alerts where labels = '{\"host\": \"a\"}'")
            try await evaluator.execute(Self.well)
            for _ in 1...2 {
                try await evaluator.execute(Self.due)
                _ = try await evaluator.query("select monitoring.evaluate_alerts()")
            }
            let states = "select string_agg(status, ' ' order by labels::text) from monitoring.alerts"
            #expect(try await evaluator.query(states).scalar == "active resolved")
            let failed = "select count(*) from monitoring.alert_passes where errors > 0"
            #expect(try await evaluator.query(failed).scalar == "0")
            try await person.execute("commit")
            #expect(try await evaluator.query(states).scalar == "acknowledged resolved")
            try await evaluator.execute(Self.due)
            _ = try await evaluator.query("select monitoring.evaluate_alerts()")
            #expect(try await evaluator.query(states).scalar == "resolved resolved")
            for connection in [evaluator, person] { await connection.close() }
        }
    }

    @Test("a pass that somebody cancels ends, and puts no rule aside")
    func cancelled() async throws {
        try await TestDatabase.withDatabase { database in
            let evaluator = try await database.connect()
            let person = try await database.connect()
            try await person.execute(Self.rule)
            try await person.execute("begin; lock table monitoring.alert_conditions in access exclusive mode")
            try await evaluator.execute("set statement_timeout = '10min'")
            let pid = try await evaluator.query("select pg_backend_pid()").scalar ?? ""
            let pass = Task { try await evaluator.query("select monitoring.evaluate_alerts()") }
            var isWaiting = false
            for _ in 1...300 where !isWaiting {
                try await Task.sleep(for: .milliseconds(100))
                isWaiting =
                    try await person.query(
                        "select wait_event_type from pg_stat_activity where pid = \(pid)"
                    ).scalar == "Lock"
            }
            #expect(isWaiting)
            try await person.execute("select pg_cancel_backend(\(pid))")
            let ended = await pass.result
            #expect(throws: PostgresError.self) { try ended.get() }
            try await person.execute("rollback")
            let aside = "select count(*) from monitoring.alert_rule_states where apart_group is not null"
            #expect(try await person.query(aside).scalar == "0")
            #expect(try await evaluator.query("select monitoring.evaluate_alerts()").scalar == "2")
            for connection in [evaluator, person] { await connection.close() }
        }
    }
}
