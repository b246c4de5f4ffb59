import Postgres
import Runtime
import TestSupport
import Testing

/// `pgvigil alerts` and `pgvigil oncall` on a database in which an alert has fired.
@Suite struct AlertsCommandTests {
    /// A rule whose threshold is passed, evaluated, and somebody on call.
    private static let planted = """
        select monitoring.create_alert_rule('{
            "rule_name": "planted", "metric_name": "planted_load", "aggregate": "last", "evaluation_window": "10 minutes",
            "condition_definition": {"allow_unknown_metric": true}, "comparison_operator": "gte",
            "critical_threshold": 90, "suggested_actions": ["look at the load"]}');
        select monitoring.ingest_sample('planted_load', '{"server": "north"}', 95, clock_timestamp() - interval '1 min');
        select monitoring_internal.evaluate_alerts_at(clock_timestamp(), array(
            select rule_no from monitoring.alert_rules where rule_name = 'planted'));
        insert into monitoring.people (name) values ('anna');
        select monitoring.define_on_call_schedule('{"name": "primary", "time_zone": "UTC", "layers": [
            {"name": "weeks", "people": ["anna"], "turn": "weekly", "start": "2026-01-05", "hand_over": "09:00"}]}');
        """

    @Test("an alert is listed, shown, explained, taken, silenced and resolved, and who is on call is told")
    func operates() async throws {
        try await TestDatabase.withDatabase { database in
            let connection = try await database.connect()
            try await connection.execute(Self.planted)
            await connection.close()
            func run(_ words: [String]) async throws -> CommandLineProgram.Report {
                try await CommandLineProgram.run(words, environment: ["PGVIGIL_DSN": database.conninfo])
            }
            let list = try await run(["alerts", "list", "--rule", "planted"])
            #expect(list.ending == .exited(25), "\(list.errors)")
            let line = try #require(list.lines.dropFirst().first)
            #expect(line.contains("critical") && line.contains("server=north"), "\(list.output)")
            let alert = String(line.prefix(8))

            for (words, status, text) in [
                (["alerts", "show", alert], 0, "look at the load"),
                (["alerts", "show", alert, "--json"], 0, "{\"field\":\"rule\",\"value\":\"planted\"}"),
                (["alerts", "ack", alert, "--note", "on it", "--for", "2h"], 0, "acknowledged until"),
                (["alerts", "list", "--rule", "planted"], 0, "acknowledged"),
                (["alerts", "silence", "server=north", "--preview"], 0, alert),
                (
                    ["alerts", "silence", "server=~nor.*", "--for", "2h", "--comment", "new disks"], 0,
                    "withholds 1 open alerts; end it with: pgvigil alerts silence --end 1"
                ),
                (["alerts", "silence", "--end", "1"], 0, "silence 1 has ended"),
                (["alerts", "silence", "--end", "1"], 24, "silence 1 was over"),
                (["alerts", "resolve", alert, "--note", "done"], 0, "resolved"),
                (["alerts", "resolve", alert], 24, "nothing to resolve"),
                (["alerts", "list", "--rule", "planted"], 0, "no alert is open"),
                (["alerts", "list", "--all", "--json"], 0, "\"status\":\"resolved\""),
                (
                    ["alerts", "backtest", "planted", "--step", "1h", "--set", "critical_threshold=99"], 0,
                    "it would not have fired"
                ),
                (["alerts", "explain", alert], 0, "95"),
                (["alerts", "explain", "planted"], 0, ""),
                (["oncall"], 0, "anna"),
                (["oncall", "show", "primary"], 0, "layer"),
                (["oncall", "shifts", "primary", "--days", "20"], 0, "anna"),
            ] as [([String], Int32, String)] {
                let report = try await run(words)
                #expect(report.ending == .exited(status), "\(words): \(report.errors)")
                #expect(report.output.contains(text), "\(words): \(report.output)")
            }
        }
    }

    @Test("what is not there is told in a line, with what was probably meant, and a status of its own")
    func misspelt() async throws {
        try await TestDatabase.withDatabase { database in
            let connection = try await database.connect()
            try await connection.execute(Self.planted)
            await connection.close()
            for (words, status, text) in [
                (["alerts", "show", "0123"], 23, "no alert begins with \"0123\""),
                (["alerts", "ack"], 2, "the id of an alert is missing"),
                (["alerts", "backtest", "plantd"], 23, "did you mean \"planted\"?"),
                (["alerts", "silence", "north"], 2, "a silence needs --for and --comment"),
                (["alerts", "silence", "north", "--preview"], 1, "\"north\" is no matcher"),
                (["alerts", "list", "--severity", "bad"], 1, "there is no severity \"bad\""),
                (["oncall", "show", "primry"], 23, "did you mean \"primary\"?"),
            ] as [([String], Int32, String)] {
                let report = try await CommandLineProgram.run(words, environment: ["PGVIGIL_DSN": database.conninfo])
                #expect(report.ending == .exited(status), "\(words): \(report.errors)")
                #expect(report.errors.contains(text), "\(words): \(report.errors)")
                #expect(report.errors.split(separator: "\n").count == 1)
            }
        }
    }
}
