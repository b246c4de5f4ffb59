import Collection
import EmbeddedPostgres
import Postgres
import Runtime

@testable import TestSupport

/// Real conditions on a server, what the collectors measure of them, and the evaluator on a clock of its own.
///
/// Collectors measure now; what they measured is stored a day and more ahead, so that hours can pass at once: time
/// passing means that they read the same again, and that what they measure as an age grew by as much.
final class AlertScenario {
    /// Ages that grow while a condition lasts.
    private static let ages = """
        {pg_longest_lock_wait_seconds,pg_stat_activity_oldest_idle_in_transaction_seconds,
        pg_long_running_transactions_oldest_timestamp_seconds,pg_prepared_xacts_oldest_seconds}
        """

    let cluster: EmbeddedCluster
    let database: String
    private(set) var admin: PostgresConnection
    /// The scenario's clock, in seconds as Unix time.
    private var clock = 0.0
    /// The scenario's time at which everything was last measured.
    private var measuredAt = 0.0

    init(cluster: EmbeddedCluster) async throws {
        self.cluster = cluster
        database = TestCluster.migratedDatabase
        admin = try await Self.connect(cluster, database)
        try await admin.execute(
            "update monitoring.settings set value = '30s' where name ~ '^collect\\.(fast|normal)_timeout$'")
        try await admin.execute("call monitoring_internal.maintain_partitions_at(now() + interval '1 day')")
        clock = try await now() + 86_400
    }

    private static func connect(_ cluster: EmbeddedCluster, _ database: String) async throws -> PostgresConnection {
        try await PostgresConnection.connect(
            cluster.configuration(database: database, applicationName: "pgvigil test"))
    }

    /// Restarts the server.
    func restart() async throws {
        await admin.close()
        try await cluster.restart()
        admin = try await Self.connect(cluster, database)
    }

    /// A session of an application.
    func application() async throws -> PostgresConnection {
        try await PostgresConnection.connect(cluster.configuration(database: database, applicationName: "shop"))
    }

    func scalar(_ sql: String, _ parameters: [String?] = []) async throws -> String? {
        try await admin.query(sql, parameters).scalar
    }

    /// Waits until a query gives `t`; false when it has not within 30 seconds.
    func becomesTrue(_ sql: String) async throws -> Bool {
        let deadline = ContinuousClock.now + .seconds(30)
        while ContinuousClock.now < deadline {
            if try await scalar(sql) == "t" { return true }
            try await Task.sleep(for: .milliseconds(20))
        }
        return false
    }

    // MARK: Time

    /// Runs collectors; all that rules read, and what is gone counts as gone, when none is named.
    func measure(_ names: String...) async throws {
        let all = [
            "activity", "checkpoint_wal", "database", "indexes", "instance", "locks", "replication", "sequences",
            "settings", "tables", "wraparound", "own", "alerts", "jobs", "regressions", "statements",
        ]
        let begun = try await now()
        let session = try await CollectionSession.open(
            PostgresConfiguration(conninfo: cluster.conninfo(database: database), applicationName: "pgvigil"),
            instanceID: nil)
        try await session.collect(names.isEmpty ? all : names) { _ in }
        await session.close()
        let ended = try await now()
        _ = try await admin.query(
            """
            update monitoring.samples set sampled_at = sampled_at + make_interval(secs => $3)
            where sampled_at between to_timestamp($1) and to_timestamp($2)
            """, [String(begun), String(ended), String(clock - begun)])
        if names.isEmpty { measuredAt = clock }
        clock += ended - begun
    }

    private func now() async throws -> Double {
        Double(try await scalar("select extract(epoch from clock_timestamp())") ?? "") ?? 0
    }

    /// Lets time pass and evaluates these rules at each step of it.
    func pass(minutes: Int, every seconds: Int = 60, rules: [String]) async throws {
        let from = clock
        clock += Double(minutes * 60)
        _ = try await admin.query(
            """
            insert into monitoring.samples (series_id, sampled_at, value)
            select newest.series_id, newest.sampled_at + step.number * family.spacing, newest.value
                + case when family.name = any ($2::text[]) then extract(epoch from step.number * family.spacing) else 0 end
            from (
                select named.metric_family_id, named.name,
                    case when named.name ~ '^pg_settings_' and named.name !~ 'pending' then interval '5 min'
                        else monitoring_internal.metric_spacing(named.name) end as spacing
                from monitoring.metric_families as named
                where named.name in (
                    select rule.metric_name from monitoring.alert_rules as rule where rule.rule_name = any ($4::text[])
                    union
                    select divisor.metric
                    from monitoring.alert_rules as rule
                    cross join lateral jsonb_path_query(rule.condition_definition, 'strict $.denominator[*]') as part
                    cross join lateral (select part #>> '{}' as metric) as divisor
                    where rule.rule_name = any ($4::text[]) and rule.condition_definition ? 'denominator'
                        and jsonb_typeof(rule.condition_definition -> 'denominator') = 'array'
                    union
                    select rule.condition_definition ->> 'denominator'
                    from monitoring.alert_rules as rule
                    where rule.rule_name = any ($4::text[]))
            ) as family
            inner join monitoring.series as series using (metric_family_id)
            cross join lateral (
                select sample.series_id, sample.sampled_at, sample.value
                from monitoring.samples as sample
                where sample.series_id = series.series_id
                order by sample.sampled_at desc
                limit 1
            ) as newest
            cross join lateral generate_series(1, floor(extract(epoch from
                to_timestamp($3) - newest.sampled_at)
                / extract(epoch from family.spacing))::integer) as step (number)
            where newest.sampled_at >= to_timestamp($1)
            """, [String(measuredAt), Self.ages, String(clock), Self.array(rules)])
        _ = try await admin.query(
            """
            select count(monitoring_internal.evaluate_alerts_at(
                to_timestamp($1::float8 + step.seconds), rule.numbers))
            from generate_series($2::integer, $3::integer, $2::integer) as step (seconds)
            cross join (
                select array_agg(known.rule_no) as numbers
                from monitoring.alert_rules as known where known.rule_name = any ($4::text[])
            ) as rule
            """, [String(from), String(seconds), String(minutes * 60), Self.array(rules)])
    }

    // MARK: Alerts

    /// Names of the rules that have an open alert whose labels contain these.
    func open(_ labels: String = "{}") async throws -> [String] {
        try await admin.query(
            """
            select distinct rule_name from monitoring.alerts
            where status in ('active', 'acknowledged', 'suppressed') and labels @> $1::jsonb order by 1
            """, [labels]
        ).compactMap { $0["rule_name"] }
    }

    /// How the newest alert of a rule stands: status, severity, title.
    func newest(_ rule: String) async throws -> String {
        try await scalar(
            """
            select concat_ws(' ', status, severity, alert_title) from monitoring.alerts
            where rule_name = $1 order by created_at desc limit 1
            """, [rule]) ?? "none"
    }

    private static func array(_ names: [String]) -> String { "{\(names.joined(separator: ","))}" }
}
