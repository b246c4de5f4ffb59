import EmbeddedPostgres
import Postgres
import Runtime
import TestSupport
import Testing

@testable import Collection

/// The service: who runs what, what is cut off, what it survives, how it ends.
@Suite struct ServiceTests {
    private static let quiet = Log(level: .error)

    private func service(_ fixture: Fixture, _ number: Int, _ shutdown: GracefulShutdown) -> CollectionService {
        CollectionService(
            configuration: PostgresConfiguration(
                conninfo: fixture.database.conninfo, applicationName: "pgvigil collector"),
            instanceID: "00000000-0000-0000-0000-00000000000\(number)", shutdown: shutdown, log: Self.quiet)
    }

    /// Runs so many services while `body` works, then has them finish.
    private func withServices(
        _ count: Int, _ fixture: Fixture, _ body: (GracefulShutdown) async throws -> Void
    ) async throws {
        let shutdown = GracefulShutdown()
        let services = (1...count).map { service(fixture, $0, shutdown) }
        async let running: Void = withThrowingTaskGroup(of: Void.self) { group in
            for service in services { group.addTask { try await service.run() } }
            try await group.waitForAll()
        }
        do {
            try await body(shutdown)
        } catch {
            shutdown.request()
            throw error
        }
        shutdown.request()
        try await running
    }

    @Test("two services run each due collector once")
    func once() async throws {
        try await Fixture.withDatabase { fixture in
            for number in 1...12 {
                try await fixture.load("often_\(number)", every: "1s", body: "select \(number) as value")
            }
            try await withServices(2, fixture) { (_: GracefulShutdown) async throws in
                #expect(
                    try await fixture.becomesTrue(
                        """
                        select count(*) = 12 from (
                            select 1 from monitoring.collector_runs group by collector_id having count(*) >= 4) as done
                        """))
            }
            // A collector's grid has one point a second, and no point has two runs.
            let doubled = try await fixture.scalar(
                """
                select count(*) from monitoring.collector_runs as one
                inner join monitoring.collector_runs as other
                    on other.collector_id = one.collector_id and other.collector_run_id > one.collector_run_id
                    and tstzrange(one.started_at, one.finished_at, '[]')
                        && tstzrange(other.started_at, other.finished_at, '[]')
                """)
            #expect(doubled == "0")
            let crowded = try await fixture.scalar(
                """
                select count(*) from (
                    select collector_id, floor(extract(epoch from started_at)
                        - (('x' || left(md5(name), 8))::bit(32)::bigint % 1000) / 1000.0) as slot
                    from monitoring.collector_runs inner join monitoring.collectors using (collector_id)
                    group by 1, 2 having count(*) > 1) as slots
                """)
            #expect(crowded == "0")
            #expect(
                try await fixture.scalar("select count(*) from monitoring.collector_runs where status <> 'ok'") == "0")
            #expect(
                try await fixture.scalar("select count(distinct instance_id) from monitoring.collector_runs") == "2")
        }
    }

    @Test("a collector that hangs is cut off at its time limit and logged; the others run meanwhile")
    func hanging() async throws {
        try await Fixture.withDatabase { fixture in
            try await fixture.admin.execute("select monitoring.set_setting('collect.fast_timeout', '300ms')")
            try await fixture.load("hanging", every: "1s", body: "select 1 as value from pg_sleep(60)")
            try await fixture.load("lively", every: "1s", tier: "normal", body: "select 1 as value")
            try await withServices(1, fixture) { (_: GracefulShutdown) async throws in
                #expect(
                    try await fixture.becomesTrue(
                        "select exists (select 1 from monitoring.collector_status where name = 'hanging' and is_breaker_open)"
                    ))
            }
            let runs = try await fixture.admin.query(
                """
                select run.status, run.sqlstate, run.duration_seconds
                from monitoring.collector_runs as run inner join monitoring.collectors using (collector_id)
                where name = 'hanging'
                """)
            for run in runs {
                #expect(run["status"] == "timed_out")
                #expect(run["sqlstate"] == "57014")
                #expect((0.3...5).contains(try run.decode("duration_seconds", as: Double.self)))
            }
            #expect(runs.count >= 3)
            #expect(
                try await fixture.scalar(
                    """
                    select count(*) >= 2 and bool_and(status = 'ok') from monitoring.collector_runs
                    inner join monitoring.collectors using (collector_id) where name = 'lively'
                    """) == "t")
            #expect(
                try await fixture.scalar(
                    "select status from monitoring.collector_gaps where ended_at is null and status = 'timed_out'")
                    == "timed_out")
        }
    }

    @Test("a service whose sessions are killed in the middle of a run opens others, and says what became of the run")
    func killedSessions() async throws {
        try await Fixture.withDatabase { fixture in
            try await fixture.load("sleeper", every: "1s", tier: "slow", body: "select 1 as value from pg_sleep(5)")
            try await withServices(1, fixture) { (_: GracefulShutdown) async throws in
                let mine =
                    "from pg_stat_activity where datname = current_database() and application_name = 'pgvigil collector'"
                #expect(try await fixture.becomesTrue("select exists (select 1 \(mine) and wait_event = 'PgSleep')"))
                try await fixture.admin.execute("select pg_terminate_backend(pid) \(mine)")
                #expect(
                    try await fixture.becomesTrue(
                        "select exists (select 1 from monitoring.collector_runs where status = 'skipped')"))
                #expect(
                    try await fixture.becomesTrue("select exists (select 1 \(mine) and wait_event = 'PgSleep')"),
                    "it runs again")
            }
            #expect(
                try await fixture.scalar(
                    "select count(*) from monitoring.collector_states where lease_expires_at is not null") == "0")
        }
    }

    @Test("shutdown lets the run that was begun finish, and begins no other")
    func drains() async throws {
        try await Fixture.withDatabase { fixture in
            try await fixture.load("slowly", tier: "slow", body: "select 1 as value from pg_sleep(1)")
            try await withServices(1, fixture) { (shutdown: GracefulShutdown) async throws in
                #expect(
                    try await fixture.becomesTrue(
                        "select exists (select 1 from monitoring.collector_states where lease_expires_at is not null)"))
                shutdown.request()
                try await fixture.load("later", body: "select 1 as value")
            }
            let states = try await fixture.admin.query(
                """
                select name, status, lease_expires_at from monitoring.collector_status
                inner join monitoring.collectors using (name) inner join monitoring.collector_states using (collector_id)
                where name in ('slowly', 'later') order by name
                """)
            #expect(states.map { $0["status"] } == ["never run", "ok"])
            #expect(states.allSatisfy { $0["lease_expires_at"] == nil })
        }
    }

    @Test("a caller's time limit stops collect_database_metrics(), keeps what was done and logs the rest as skipped")
    func callersLimit() async throws {
        try await Fixture.withDatabase { fixture in
            try await fixture.load("first", body: "select 1 as value")
            try await fixture.load("hanging", tier: "slow", body: "select 1 as value from pg_sleep(60)")
            try await fixture.load("last", body: "select 1 as value")
            try await fixture.admin.execute("set statement_timeout = '2s'")
            let stored = try await fixture.scalar("select monitoring.collect_database_metrics()")
            try await fixture.admin.execute("reset statement_timeout")
            #expect(stored == "1")
            let runs = try await fixture.admin.query(
                "select name, status, reason from monitoring.collector_status where status <> 'disabled' order by name")
            #expect(runs.map { $0["name"] } == ["first", "hanging", "last"])
            #expect(runs.map { $0["status"] } == ["ok", "skipped", "skipped"])
            #expect(runs[1]["reason"] == "cut off: canceling statement due to statement timeout")
            #expect(runs[2]["reason"] == "not run: canceling statement due to statement timeout")
            #expect(try await fixture.newest("first_value") == 1)
            #expect(try await fixture.newest("last_value") == nil)
        }
    }

    @Test("a broken collector stops no other in the service")
    func broken() async throws {
        try await Fixture.withDatabase { fixture in
            try await fixture.load(
                "broken", every: "1s", body: "select 1 / (value - 1) as value from (values (1)) as v (value)")
            try await fixture.load("whole", every: "1s", body: "select 1 as value")
            try await withServices(1, fixture) { (_: GracefulShutdown) async throws in
                #expect(
                    try await fixture.becomesTrue(
                        """
                        select count(*) >= 3 from monitoring.collector_runs inner join monitoring.collectors
                            using (collector_id) where name = 'whole' and status = 'ok'
                        """))
            }
            #expect(
                try await fixture.scalar(
                    """
                    select string_agg(distinct run.status || ' ' || run.sqlstate, ',') from monitoring.collector_runs as run
                    inner join monitoring.collectors using (collector_id) where name = 'broken'
                    """) == "failed 22012")
        }
    }

    @Test("a plain member of monitoring_service runs collectors, also while its connection limit keeps one session out")
    func plainRole() async throws {
        try await Fixture.withDatabase { fixture in
            let role = "collector_of_\(fixture.database.name)"
            try await fixture.admin.execute("create role \(role) login connection limit 1 in role monitoring_service")
            try await fixture.load("modest", every: "1s", body: "select 1 as value")
            let shutdown = GracefulShutdown()
            let service = CollectionService(
                configuration: PostgresConfiguration(
                    conninfo: fixture.database.cluster.conninfo(database: fixture.database.name, user: role),
                    applicationName: "pgvigil collector"),
                instanceID: "00000000-0000-0000-0000-000000000001", sessions: 2, shutdown: shutdown,
                log: Log(level: .error))
            async let running: Void = service.run()
            let ran = try await fixture.becomesTrue(
                "select count(*) >= 3 from monitoring.collector_runs where status = 'ok'")
            // The one session dies: the other one's turn, or its own again.
            try await fixture.admin.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity where usename = '\(role)'")
            let ranOn = try await fixture.becomesTrue(
                "select count(*) >= 5 from monitoring.collector_runs where status = 'ok'")
            shutdown.request()
            try await running
            #expect(ran)
            #expect(ranOn)
            try await fixture.admin.execute("drop role \(role)")
        }
    }

    @Test("an unknown name is refused, with the place where the names are")
    func unknownName() async throws {
        try await Fixture.withDatabase { fixture in
            let error = await #expect(throws: PostgresError.self) { try await fixture.collect("nobody\"\\") }
            #expect(error?.sqlState == "PV402")
            #expect(error?.hint == "The names are in monitoring.collector_status.")
        }
    }
}
