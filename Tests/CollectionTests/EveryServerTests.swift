import EmbeddedPostgres
import Postgres
import Runtime
import Testing

@testable import Collection
@testable import TestSupport

/// Everything that is shipped, on a primary and on a standby of it.
@Suite struct EveryServerTests {
    @Test("every query runs on a primary and on its standby, or says why it cannot", .timeLimit(.minutes(5)))
    func everyQuery() async throws {
        let options = EmbeddedCluster.Options(settings: ["wal_level": "logical"])
        try await TestCluster.withStandby(TestCluster.migrated(options)) { primary in
            let admin = try await PostgresConnection.connect(
                primary.configuration(database: TestCluster.migratedDatabase))
            try await admin.execute(
                """
                create extension if not exists pg_stat_statements;
                update monitoring.settings set value = '30s' where name ~ '^collect\\.(fast|normal)_timeout$';
                create table items (id smallint generated always as identity, note text);
                create index items_note on items (note);
                insert into items (note) values ('one')
                """)
            _ = try await admin.query("select pg_create_physical_replication_slot('unused', true)")
            await admin.close()
        } _: { primary, standby in
            let name = "template_migrated"
            let admin = try await PostgresConnection.connect(primary.configuration(database: name))
            let session = try await CollectionSession.open(
                PostgresConfiguration(conninfo: primary.conninfo(database: name), applicationName: "pgvigil"),
                instanceID: nil)
            let runs = Lock<[CollectionRun]>([])
            try await session.collect([]) { run in runs.withLock { $0.append(run) } }
            await session.close()
            for run in runs.withLock({ $0 }) where run.status != "ok" {
                #expect(run.status == "unavailable" || run.status == "skipped", "\(run.name): \(run.reason ?? "")")
                #expect(run.reason?.isEmpty == false, "\(run.name) does not say why")
            }
            // What was found on the primary is what the standby has, once it has caught up.
            let written = try #require(try await admin.query("select pg_current_wal_flush_lsn()").scalar)
            let follower = try await PostgresConnection.connect(standby.configuration(database: name))
            try await Self.wait(follower, "select pg_last_wal_replay_lsn() >= $1::pg_lsn", written)
            let statements = try await follower.query(
                """
                select collector.name || ' ' || query.query as name, known.statement
                from monitoring_internal.collector_statements as known
                inner join monitoring.collector_queries as query using (collector_id, query)
                inner join monitoring.collectors as collector using (collector_id)
                where known.statement is not null and query.server_role in ('any', 'standby')
                order by 1
                """)
            #expect(statements.count > 30)
            try await follower.execute(
                "set role monitoring_owner; set search_path = pg_catalog; set lock_timeout = '100ms'")
            for row in statements {
                let query = row["name"] ?? ""
                do {
                    let answer = try await follower.query(row["statement"] ?? "")
                    #expect(answer.count == 1, "\(query) gave \(answer.count) rows")
                } catch {
                    Issue.record("\(query) on a standby: \((error as? PostgresError)?.debugDescription ?? "\(error)")")
                }
            }
            await follower.close()
            await admin.close()
        }
    }

    @Test("a setting that was changed and reloaded is one row of the ledger, and one that waits for a restart says so")
    func settings() async throws {
        try await TestCluster.withCluster(TestCluster.migrated()) { cluster in
            let name = TestCluster.migratedDatabase
            let admin = try await PostgresConnection.connect(cluster.configuration(database: name))
            try await admin.execute(
                "update monitoring.settings set value = '30s' where name = 'collect.normal_timeout'")
            try await Self.collectSettings(cluster, name)
            let changes = """
                select coalesce(string_agg(format('%s: %s to %s, %s', name, old_value, new_value, is_pending_restart), '; '
                    order by name), 'none')
                from monitoring.setting_changes
                """
            #expect(try await admin.query(changes).scalar == "none")
            try await admin.execute("alter system set deadlock_timeout = '7s'")
            try await admin.execute("alter system set max_connections = 150")
            try await Self.collectSettings(cluster, name)
            #expect(try await admin.query(changes).scalar == "none")
            _ = try await admin.query("select pg_reload_conf()")
            try await Self.wait(
                admin, "select setting = $1 from pg_settings where name = 'deadlock_timeout'", "7000")
            // The session that collects has to have seen the reload as well: each collection opens one.
            try await Self.collectSettings(cluster, name)
            try await Self.collectSettings(cluster, name)
            let seen = try await admin.query(changes).scalar
            #expect(seen == "deadlock_timeout: 1000 to 7000, f; max_connections: 200 to 200, t")
            let value = try await admin.query(
                """
                select point.value
                from monitoring.latest_samples as point
                where point.metric = 'pg_settings_deadlock_timeout_seconds'
                """
            ).scalar
            #expect(value.flatMap(Double.init) == 7)
            await admin.close()
        }
    }

    private static func collectSettings(_ cluster: EmbeddedCluster, _ name: String) async throws {
        let session = try await CollectionSession.open(
            PostgresConfiguration(conninfo: cluster.conninfo(database: name), applicationName: "pgvigil"),
            instanceID: nil)
        try await session.collect(["settings"]) { run in
            #expect(run.status == "ok", "\(run.reason ?? "")")
        }
        await session.close()
    }

    private static func wait(_ connection: PostgresConnection, _ sql: String, _ parameter: String) async throws {
        let deadline = ContinuousClock.now + .seconds(60)
        while try await connection.query(sql, [parameter]).scalar != "t" {
            try #require(ContinuousClock.now < deadline, "never: \(sql)")
            try await Task.sleep(for: .milliseconds(50))
        }
    }
}
