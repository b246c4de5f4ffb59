import EmbeddedPostgres
import Postgres
import Runtime
import TestSupport
import Testing

@testable import Scheduling

/// A database with a scheduler's surroundings: a login role of a service, and a table in which jobs leave their mark.
struct Stage: Sendable {
    let cluster: EmbeddedCluster
    let name: String
    let role: String

    /// A conninfo for the service.
    var conninfo: String { cluster.conninfo(database: name, user: role) }

    /// Prepares a database that a test already has.
    static func prepare(_ database: String, of cluster: EmbeddedCluster) async throws -> Stage {
        let stage = Stage(cluster: cluster, name: database, role: "service_\(database)")
        try await stage.asSuperuser { connection in
            try await connection.execute(
                """
                create role \(stage.role) login;
                grant monitoring_service to \(stage.role);
                """)
            try await connection.execute(
                """
                create table public.effects (
                    job text not null, slot timestamptz not null, run_id bigint not null,
                    at timestamptz not null default clock_timestamp());
                grant select, insert on public.effects to public;
                create procedure public.step() language plpgsql as $$
                begin
                    perform pg_sleep(0.05);
                    commit;
                    perform pg_sleep(0.05);
                end
                $$;
                create function public.leave_mark(p_job text, p_wait double precision default 0) returns void
                language plpgsql as $$
                begin
                    perform pg_sleep(p_wait) where p_wait > 0;
                    insert into public.effects (job, slot, run_id)
                    values (p_job, current_setting('pgvigil.run_slot')::timestamptz,
                        current_setting('pgvigil.run_id')::bigint);
                end
                $$;
                """)
        }
        return stage
    }

    /// Runs `body` with a database made for it, and drops the role afterwards.
    static func with(_ body: @escaping (Stage) async throws -> Void) async throws {
        try await TestDatabase.withDatabase { database in
            let stage = try await prepare(database.name, of: database.cluster)
            let result: Result<Void, any Error>
            do { result = .success(try await body(stage)) } catch { result = .failure(error) }
            try await stage.asSuperuser {
                try await $0.execute("drop owned by \(stage.role) cascade; drop role \(stage.role)")
            }
            try result.get()
        }
    }

    /// Runs `body` on a session of the superuser.
    @discardableResult
    func asSuperuser<R>(_ body: (PostgresConnection) async throws -> R) async throws -> R {
        let connection = try await PostgresConnection.connect(cluster.configuration(database: name))
        do {
            let result = try await body(connection)
            await connection.close()
            return result
        } catch {
            await connection.close()
            throw error
        }
    }

    /// The first value of a query.
    func value(_ sql: String, _ parameters: [String?] = []) async throws -> String? {
        try await asSuperuser { try await $0.query(sql, parameters).scalar }
    }

    /// Defines a job.
    func schedule(_ name: String, _ schedule: String, _ command: String, _ more: String = "") async throws {
        _ = try await value("select monitoring.schedule_job($1, $2, $3 \(more))", [name, schedule, command])
    }

    /// A scheduler for this database that is quick to notice everything.
    func scheduler(
        _ shutdown: GracefulShutdown, sessions: Int = 8, drainLimit: Duration = .seconds(10),
        loadJobs: (@Sendable () throws -> JobsDocument)? = nil
    ) -> Scheduler {
        var settings = SchedulerSettings(conninfo: conninfo, version: "test")
        settings.maximumSessions = sessions
        settings.heartbeatInterval = .milliseconds(300)
        settings.drainLimit = drainLimit
        settings.reloadPause = .milliseconds(50)
        return Scheduler(
            settings: settings, shutdown: shutdown, log: Log(level: .error, sink: { _ in }), loadJobs: loadJobs)
    }

    /// Runs `body` beside so many services, then stops them gracefully.
    func serving(_ count: Int = 1, _ body: @escaping @Sendable ([Scheduler]) async throws -> Void) async throws {
        let shutdown = GracefulShutdown()
        let schedulers = (0..<count).map { _ in scheduler(shutdown) }
        try await run(schedulers, shutdown) { try await body(schedulers) }
    }

    /// Runs schedulers beside `body` and stops them when it ends.
    func run(
        _ schedulers: [Scheduler], _ shutdown: GracefulShutdown, _ body: @escaping @Sendable () async throws -> Void
    ) async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            for scheduler in schedulers { group.addTask { try await scheduler.run() } }
            let result: Result<Void, any Error>
            do { result = .success(try await body()) } catch { result = .failure(error) }
            shutdown.request()
            try await group.waitForAll()
            try result.get()
        }
    }

    /// Asks until the query's value is `expected`, for 45 seconds at most.
    func expect(
        _ sql: String, _ expected: String, within limit: Duration = .seconds(45),
        sourceLocation: SourceLocation = #_sourceLocation
    ) async throws {
        let deadline = Monotonic.now() + limit
        var last: String?
        while Monotonic.now() < deadline {
            do {
                last = try await value(sql)
                if last == expected { return }
            } catch let error as PostgresError where error.isTransient {
                last = error.description
            }
            try await ContinuousClock().sleep(for: .milliseconds(20))
        }
        Issue.record("\(sql) is \(last ?? "null"), not \(expected)", sourceLocation: sourceLocation)
    }

    /// Checks what must hold whatever happened: slots balanced, none open, effects exactly those that succeeded.
    func expectInvariants(sourceLocation: SourceLocation = #_sourceLocation) async throws {
        let checks = [
            ("lost or doubled slots", "select coalesce(sum(abs(difference)), 0) from monitoring.job_slot_balance"),
            ("open runs", "select count(*) from monitoring.job_leases"),
            (
                "effects without success, or successes without effect",
                """
                select coalesce(sum(abs(coalesce(e.marks, 0) - t.succeeded_total)), 0)
                from monitoring.jobs j join monitoring.job_totals t using (job_id)
                left join (select job, count(*) as marks from public.effects group by job) e on e.job = j.name
                where j.command like '%leave_mark%' and j.mode = 'transaction'
                """
            ),
            ("slots with two effects", "select count(*) - count(distinct (job, slot)) from public.effects"),
            (
                "ends that the ledger does not hold",
                """
                select coalesce(sum(abs(t.succeeded_total + t.failed_total + t.timed_out_total + t.cancelled_total
                    + t.skipped_total + t.missed_total + t.uncertain_total
                    - coalesce(r.slots, 0) - coalesce(u.slots, 0))), 0)
                from monitoring.job_totals t
                left join (select job_id, sum(slot_count) as slots from monitoring.job_runs group by 1) r using (job_id)
                left join (select j.job_id, sum(r.succeeded_total) as slots
                    from monitoring.job_rollups r join monitoring.jobs j using (name) group by 1) u using (job_id)
                """
            ),
        ]
        for (what, sql) in checks {
            let found = try await value(sql)
            #expect(found == "0", "\(what): \(found ?? "null")", sourceLocation: sourceLocation)
        }
    }
}
