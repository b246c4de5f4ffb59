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
}
