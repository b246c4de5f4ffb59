import EmbeddedPostgres
import Postgres
import Runtime
import Testing

@testable import Collection
@testable import TestSupport

/// Health and business metrics by the service: what a hostile query is cut to, what a stopped standby changes.
@Suite struct HealthTests {
    private static let quiet = Log(level: .error)
    private static let instance = "00000000-0000-0000-0000-000000000007"

    /// A login that is a plain member of monitoring_service, as the service's is.
    private func serviceConfiguration(_ fixture: Fixture) async throws -> PostgresConfiguration {
        let role = "kpi_\(fixture.database.name)"
        try await fixture.admin.execute("create role \(role) login in role monitoring_service")
        return PostgresConfiguration(
            conninfo: fixture.database.conninfo + " user='\(role)'", applicationName: "pgvigil kpis")
    }

    private func dropService(_ fixture: Fixture) async throws {
        try await fixture.admin.execute("drop role kpi_\(fixture.database.name)")
    }

    @Test("a KPI that writes, sleeps, loops or will not be cancelled harms no other", .timeLimit(.minutes(3)))
    func hostileQueries() async throws {
        try await Fixture.withDatabase { fixture in
            try await fixture.admin.execute(
                """
                create table public.victim (x integer);
                grant insert on public.victim to monitoring_owner;
                create function public.spins() returns integer language plpgsql as
                    'begin loop null; end loop; end';
                create function public.clings() returns integer language plpgsql as
                    'begin begin perform pg_sleep(600); exception when query_canceled then perform pg_sleep(600);
                    end; return 1; end';
                select monitoring.create_tenant('acme');
                select monitoring.set_tenant_profile('acme', 'shops');
                insert into monitoring.kpi_definitions (name, industry_vertical, category, query, timeout) values
                    ('a_writes', 'shops', 'orders', 'insert into public.victim values (1) returning x', '1s'),
                    ('b_sleeps', 'shops', 'orders', 'select length(pg_sleep(600)::text)', '200ms'),
                    ('c_loops', 'shops', 'orders', 'select public.spins()', '200ms'),
                    ('d_clings', 'shops', 'orders', 'select public.clings()', '200ms'),
                    ('e_counts', 'shops', 'orders',
                        'select count(*) from pg_class as a, pg_class as b, pg_class as c, pg_class as d', '200ms'),
                    ('f_good', 'shops', 'orders', 'select 42', '10s')
                """)
            let service = KPIService(
                configuration: try await serviceConfiguration(fixture), instanceID: Self.instance,
                shutdown: GracefulShutdown(), log: Self.quiet)
            #expect(try await service.round() <= .seconds(60))
            let rows = try await fixture.admin.query(
                "select metric_name, status from monitoring.kpi_status order by metric_name")
            #expect(
                rows.map { "\($0["metric_name"] ?? "") \($0["status"] ?? "")" } == [
                    "a_writes failed", "b_sleeps timed_out", "c_loops timed_out", "d_clings timed_out",
                    "e_counts timed_out", "f_good ok",
                ])
            #expect(try await fixture.scalar("select count(*) from public.victim") == "0")
            #expect(
                try await fixture.scalar(
                    "select max(current_value) from monitoring.business_metrics where metric_name = 'f_good'") == "42")
            #expect(
                try await fixture.becomesTrue(
                    "select count(*) = 0 from pg_stat_activity where application_name = 'pgvigil kpis'"))
            try await dropService(fixture)
        }
    }

    @Test("a KPI defined as data is found and measured by the running service", .timeLimit(.minutes(2)))
    func definedAsData() async throws {
        try await Fixture.withDatabase { fixture in
            let shutdown = GracefulShutdown()
            let service = KPIService(
                configuration: try await serviceConfiguration(fixture), instanceID: Self.instance, shutdown: shutdown,
                log: Self.quiet)
            #expect(try await service.round() == .seconds(60))
            try await fixture.admin.execute(
                """
                select monitoring.create_tenant('zoo');
                insert into monitoring.kpi_definitions (name, category, query, time_period)
                values ('visitors', 'users', 'select 17', 'daily')
                """)
            async let running: Void = service.run()
            #expect(
                try await fixture.becomesTrue(
                    """
                    select count(*) > 0 from monitoring.business_kpi_dashboard
                    where metric_name = 'visitors' and current_value = 17
                    """))
            shutdown.request()
            try await running
            try await dropService(fixture)
        }
    }

    @Test(
        "the machine's figures are the server's when it runs here, and its health shows them", .timeLimit(.minutes(2)))
    func hostMonitor() async throws {
        try await Fixture.withDatabase { fixture in
            let shutdown = GracefulShutdown()
            let monitor = HostMonitor(
                configuration: try await serviceConfiguration(fixture), hostName: "here", every: .milliseconds(50),
                shutdown: shutdown, log: Self.quiet)
            async let running: Void = monitor.run()
            #expect(
                try await fixture.becomesTrue(
                    """
                    select count(*) = 3 from monitoring.latest_samples
                    where metric in ('host_cpu_usage_ratio', 'host_memory_used_ratio', 'host_filesystem_used_ratio')
                        and labels = '{"host": "here"}'
                    """))
            shutdown.request()
            try await running
            #expect(
                try await fixture.scalar("select is_database_host and reason is null from monitoring.service_hosts")
                    == "t")
            _ = try await fixture.admin.query("select monitoring.collect_system_health()")
            #expect(
                try await fixture.scalar(
                    """
                    select cpu_usage_percent between 0 and 100 and memory_usage_percent between 1 and 100
                        and disk_usage_percent between 0 and 100
                    from monitoring.current_health where component_name = 'local'
                    """) == "t")
            try await dropService(fixture)
        }
    }

    @Test("a stopped standby changes the health of its primary, and says why", .timeLimit(.minutes(5)))
    func stoppedStandby() async throws {
        try await TestCluster.withStandby(
            TestCluster.migrated(EmbeddedCluster.Options(settings: ["autovacuum": "on"])), prepare: { _ in }
        ) { primary, standby in
            let conninfo = primary.conninfo(database: TestCluster.migratedDatabase)
            let admin = try await PostgresConnection.connect(
                PostgresConfiguration(conninfo: conninfo, applicationName: "test"))
            let session = try await CollectionSession.open(
                PostgresConfiguration(conninfo: conninfo, applicationName: "pgvigil"), instanceID: nil)
            func judge() async throws -> String {
                try await session.collect([
                    "instance", "settings", "activity", "locks", "database", "wraparound", "replication",
                ]) {
                    _ in
                }
                _ = try await admin.query("select monitoring.collect_system_health()")
                return try await admin.query(
                    "select health_status from monitoring.current_health where component_name = 'local'"
                ).scalar ?? "none"
            }
            func reasons() async throws -> [String] {
                let rows = try await admin.query(
                    "select rule, state, why from monitoring.explain_system_health('local')")
                return rows.map { "\($0["rule"] ?? "") \($0["state"] ?? ""): \($0["why"] ?? "")" }
            }
            func becomes(_ status: String) async throws -> Bool {
                let deadline = ContinuousClock.now + .seconds(60)
                while ContinuousClock.now < deadline {
                    if try await judge() == status { return true }
                    try await Task.sleep(for: .milliseconds(200))
                }
                return false
            }
            let wasHealthy = try await becomes("healthy")
            let why = try await reasons()
            #expect(wasHealthy, "\(why)")
            // Seconds instead of the forty-five after which a figure is no longer current.
            try await admin.execute(
                """
                update monitoring.metric_families set stale_after = '3s'
                where name = 'pg_stat_replication_pg_wal_lsn_diff'
                """)
            #expect(try await judge() == "healthy")
            await standby.stop()
            #expect(try await becomes("warning"))
            #expect(
                try await admin.query(
                    "select why from monitoring.explain_system_health('local') where rule = 'server_standby_lost'"
                ).scalar == "a standby that streamed within the hour is gone")
            await session.close()
            await admin.close()
        }
    }
}
