import Collection
import Postgres
import Runtime
import Testing

@testable import TestSupport

/// What the tests of this target do over and over with a database of their own.
struct Fixture: Sendable {
    let database: Database
    let admin: PostgresConnection

    /// Runs `body` with a freshly installed database in which no collector is enabled.
    static func withDatabase<R>(_ body: @escaping (Fixture) async throws -> R) async throws -> R {
        try await TestDatabase.withDatabase { database in
            let admin = try await database.connect()
            try await admin.execute("update monitoring.collectors set is_enabled = false")
            // A machine that is busy with other tests must not cut off what they measure.
            try await admin.execute(
                "update monitoring.settings set value = '30s' where name ~ '^collect\\.(fast|normal)_timeout$'")
            do {
                let result = try await body(Fixture(database: database, admin: admin))
                await admin.close()
                return result
            } catch {
                await admin.close()
                throw error
            }
        }
    }

    /// A session of an application, which collectors do see.
    func application(_ name: String = "shop") async throws -> PostgresConnection {
        let connection = try await database.connect()
        _ = try await connection.query("select set_config('application_name', $1, false)", [name])
        return connection
    }

    /// Runs collectors as `pgvigil collect` does.
    @discardableResult
    func collect(_ names: String...) async throws -> [String: CollectionRun] {
        let session = try await CollectionSession.open(
            PostgresConfiguration(conninfo: database.conninfo, applicationName: "pgvigil"), instanceID: nil)
        let runs = Lock<[String: CollectionRun]>([:])
        try await session.collect(names) { run in runs.withLock { $0[run.name] = run } }
        await session.close()
        return runs.withLock { $0 }
    }

    /// Adds up the newest values of a metric's series that carry the labels; nil when there is none.
    func newest(_ metric: String, _ labels: String = "{}") async throws -> Double? {
        let rows = try await admin.query(
            """
            select sum(newest.value)
            from monitoring.metric_families as family
            inner join monitoring.series as series using (metric_family_id)
            cross join lateral (
                select point.value from monitoring.samples as point
                where point.series_id = series.series_id
                    and point.sampled_at = (
                        select max(latest.sampled_at) from monitoring.samples as latest
                        inner join monitoring.series as other using (series_id)
                        where other.metric_family_id = family.metric_family_id)
            ) as newest
            where family.name = $1 and series.labels @> $2::jsonb
            """, [metric, labels])
        return rows.scalar.flatMap(Double.init)
    }

    /// Loads a collector with one metric, `NAME_value`.
    func load(_ name: String, every: String = "10s", tier: String = "fast", body: String) async throws {
        let file = """
            -- \(name).sql: made by a test.
            --! collector \(name)
            --! every \(every)
            --! scope instance
            --! tier \(tier)
            --! cap 10
            --! query only
            --! metric value \(name)_value gauge number A value.
            --! version 15-
            \(body)
            """
        _ = try await admin.query("select monitoring_internal.load_collector($1, $2)", [name, file])
    }

    /// The first column of the first row, as text.
    func scalar(_ sql: String, _ parameters: [String?] = []) async throws -> String? {
        try await admin.query(sql, parameters).scalar
    }

    /// Waits until a query gives `t`; false when it has not within ten seconds.
    func becomesTrue(_ sql: String, _ parameters: [String?] = []) async throws -> Bool {
        let deadline = ContinuousClock.now + .seconds(10)
        while ContinuousClock.now < deadline {
            if try await scalar(sql, parameters) == "t" { return true }
            try await Task.sleep(for: .milliseconds(20))
        }
        return false
    }

    /// Waits until a session waits for a lock.
    func waitUntilBlocked(_ connection: PostgresConnection) async throws -> Bool {
        try await becomesTrue(
            "select exists (select 1 from pg_locks where pid = $1::integer and not granted)",
            [String(connection.backendPID)])
    }
}
