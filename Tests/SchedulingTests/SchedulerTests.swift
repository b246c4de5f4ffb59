import EmbeddedPostgres
import Postgres
import Runtime
import TestSupport
import Testing

@testable import Scheduling

/// What one service does with its jobs.
@Suite struct SchedulerTests {
    @Test(
        "each slot of a one-second job runs once, on time, and its effect commits with its end", .timeLimit(.minutes(1))
    )
    func everySecond() async throws {
        try await Stage.with { stage in
            try await stage.schedule("mark", "@every 1s", "select public.leave_mark('mark')")
            try await stage.serving { _ in
                try await stage.expect("select count(*) >= 3 from public.effects", "t")
            }
            try await stage.expectInvariants()
            #expect(try await stage.value("select sum(missed_total) from monitoring.job_totals") == "0")
            #expect(try await stage.value("select bool_and(at - slot < '500 ms') from public.effects") == "t")
            #expect(try await stage.value("select count(*) from monitoring.service_instances") == "0")
        }
    }

    @Test("a procedure runs at top level and may commit by itself", .timeLimit(.minutes(1)))
    func procedureMode() async throws {
        try await Stage.with { stage in
            try await stage.asSuperuser {
                try await $0.execute(
                    """
                    create procedure public.in_steps() language plpgsql as $$
                    begin
                        for i in 1..3 loop
                            insert into public.effects values (i::text, now(), 0);
                            commit;
                        end loop;
                    end $$;
                    grant execute on procedure public.in_steps() to public
                    """)
            }
            try await stage.schedule("steps", "@daily", "call public.in_steps()", ", mode => 'procedure'")
            try await stage.serving { _ in
                _ = try await stage.value("select monitoring.run_job('steps')")
                try await stage.expect("select status from monitoring.job_runs", "succeeded")
            }
            #expect(try await stage.value("select count(*) from public.effects") == "3")
            #expect(
                try await stage.value(
                    "select count(*) from pg_locks where locktype = 'advisory' and database = "
                        + "(select oid from pg_database where datname = current_database())") == "0")
        }
    }

    @Test(
        "a run that fails leaves no effect, and its error in the ledger", .timeLimit(.minutes(1)),
        arguments: [
            ("select public.leave_mark('x'), 1 / 0", "failed", "22012"),
            ("select 1; select 2", "failed", "42601"),
            ("select pg_sleep(30) from (select public.leave_mark('x')) as m", "timed_out", "57014"),
            ("insert into public.locked select 1", "failed", "55P03"),
            ("copy public.effects to stdout", "failed", nil),
            ("select * from public.nothing", "failed", "42P01"),
        ] as [(String, String, String?)])
    func failures(command: String, status: String, code: String?) async throws {
        try await Stage.with { stage in
            try await stage.asSuperuser {
                try await $0.execute("create table public.locked (n integer); grant insert on public.locked to public")
            }
            try await stage.schedule(
                "faulty", "@daily", command, ", timeout => '700 ms', lock_timeout => '200 ms'")
            try await stage.asSuperuser { holder in
                try await holder.execute("begin; lock table public.locked in access exclusive mode")
                try await stage.serving { _ in
                    _ = try await stage.value("select monitoring.run_job('faulty')")
                    try await stage.expect("select count(*) from monitoring.job_runs", "1")
                }
            }
            #expect(try await stage.value("select status from monitoring.job_runs") == status)
            #expect(try await stage.value("select sqlstate from monitoring.job_runs") == code)
            #expect(try await stage.value("select count(*) from public.effects") == "0")
            #expect(try await stage.value("select count(*) from monitoring.job_run_attempts") == "1")
            try await stage.expectInvariants()
        }
    }

    @Test("what a command leaves in its session is gone for the next run", .timeLimit(.minutes(1)))
    func cleanSessions() async throws {
        try await Stage.with { stage in
            try await stage.asSuperuser {
                try await $0.execute(
                    """
                    create function public.litter() returns void language plpgsql as $$
                    begin
                        perform set_config('work_mem', '77kB', false), set_config('search_path', 'nowhere', false);
                        perform pg_catalog.pg_advisory_lock(4711);
                        create temporary table leftover (n integer);
                        execute 'listen gossip';
                        execute 'prepare p as select 1';
                    end $$
                    """)
            }
            try await stage.schedule("litter", "@daily", "select public.litter()")
            try await stage.schedule(
                "look", "@daily",
                """
                insert into public.effects select format('%s %s %s %s %s', current_setting('work_mem'),
                    (select count(*) from pg_locks where locktype = 'advisory' and objid = 4711),
                    to_regclass('pg_temp.leftover'), (select count(*) from pg_listening_channels()),
                    (select count(*) from pg_prepared_statements where name = 'p')), now(), 0
                """)
            let shutdown = GracefulShutdown()
            let scheduler = stage.scheduler(shutdown, sessions: 1)
            try await stage.run([scheduler], shutdown) {
                for job in ["litter", "look"] {
                    _ = try await stage.value("select monitoring.run_job($1)", [job])
                    try await stage.expect("select count(*) from monitoring.job_runs", job == "litter" ? "1" : "2")
                }
            }
            let seen = try #require(try await stage.value("select job from public.effects"))
            #expect(seen.hasSuffix(" 0  0 0"), "\(seen)")
            #expect(!seen.hasPrefix("77kB"), "\(seen)")
        }
    }

    @Test("a run asked for by hand starts at once, not at the next poll", .timeLimit(.minutes(1)))
    func notified() async throws {
        try await Stage.with { stage in
            try await stage.schedule("manual", "@yearly", "select public.leave_mark('manual')")
            try await stage.asSuperuser {
                try await $0.execute("select monitoring.set_setting('scheduling.poll_interval', '1 min')")
            }
            try await stage.serving { schedulers in
                try await stage.expect("select count(*) from monitoring.service_instances", "1")
                let start = Monotonic.now()
                _ = try await stage.value("select monitoring.run_job('manual')")
                try await stage.expect("select count(*) from public.effects", "1")
                #expect(start.duration(to: Monotonic.now()) < .seconds(30))
                #expect(!schedulers.contains { !$0.isConnected })
            }
            try await stage.expectInvariants()
        }
    }

    @Test("shutdown lets a running job finish", .timeLimit(.minutes(1)))
    func drainsGracefully() async throws {
        try await Stage.with { stage in
            try await stage.schedule("slow", "@yearly", "select public.leave_mark('slow', 1)")
            try await stage.serving { _ in
                _ = try await stage.value("select monitoring.run_job('slow')")
                try await stage.expect("select count(*) from monitoring.job_leases where instance_id is not null", "1")
            }
            #expect(try await stage.value("select status from monitoring.job_runs") == "succeeded")
            try await stage.expectInvariants()
        }
    }

    @Test("a job that outlasts the drain limit is cancelled, and says so", .timeLimit(.minutes(1)))
    func drainLimit() async throws {
        try await Stage.with { stage in
            try await stage.schedule("slow", "@yearly", "select public.leave_mark('slow', 60)")
            let shutdown = GracefulShutdown()
            let scheduler = stage.scheduler(shutdown, drainLimit: .milliseconds(200))
            try await stage.run([scheduler], shutdown) {
                _ = try await stage.value("select monitoring.run_job('slow')")
                try await stage.expect(
                    "select count(*) from pg_stat_activity where query like 'select public.leave_mark(''slow''%' "
                        + "and state = 'active' and datname = current_database()", "1")
            }
            #expect(try await stage.value("select status from monitoring.job_runs") == "cancelled")
            try await stage.expectInvariants()
        }
    }

    @Test("a file that turns bad leaves the jobs in force, one that is mended is applied", .timeLimit(.minutes(1)))
    func reload() async throws {
        try await Stage.with { stage in
            let file = Lock(#"[{"name": "one", "schedule": "@daily", "sql": "select 1", "line": 3}]"#)
            let edits = Lock(Int64(1))
            let shutdown = GracefulShutdown()
            let scheduler = stage.scheduler(
                shutdown,
                loadJobs: {
                    JobsDocument(source: "jobs.yml", generation: edits.withLock { $0 }, json: file.withLock { $0 })
                })
            let names = "select string_agg(name, ',' order by name) from monitoring.upcoming_jobs"
            try await stage.run([scheduler], shutdown) {
                try await stage.expect(names, "one")
                for (json, expected) in [
                    (#"[{"name": "two", "schedule": "61 * * * *", "sql": "select 1", "line": 3}]"#, "one"),
                    (#"[{"name": "two", "schedule": "@daily", "sql": "select 1", "line": 3}]"#, "two"),
                ] {
                    file.withLock { $0 = json }
                    edits.withLock { $0 += 1 }
                    scheduler.reload()
                    try await stage.expect(
                        "select generation >= \(expected == "one" ? 1 : 3) from monitoring.job_sources", "t")
                    try await stage.expect(names, expected)
                }
            }
        }
    }

    @Test("a reload that is asked for while the file is being read is not lost", .timeLimit(.minutes(1)))
    func reloadMeanwhile() async throws {
        try await Stage.with { stage in
            let reads = Lock(Int64(0))
            let askAgain = Lock<(@Sendable () -> Void)?>(nil)
            let shutdown = GracefulShutdown()
            let scheduler = stage.scheduler(
                shutdown,
                loadJobs: {
                    let read = reads.withLock { count in
                        count += 1
                        return count
                    }
                    if read == 1 { askAgain.withLock { $0 }?() }
                    let name = read == 1 ? "before" : "after"
                    let json = #"[{"name": "\#(name)", "schedule": "@daily", "sql": "select 1", "line": 3}]"#
                    return JobsDocument(source: "jobs.yml", generation: read, json: json)
                })
            askAgain.withLock { $0 = { scheduler.reload() } }
            try await stage.run([scheduler], shutdown) {
                try await stage.expect("select string_agg(name, ',') from monitoring.upcoming_jobs", "after")
            }
        }
    }

    @Test("a file that a busy database could not take is tried again until it is in force", .timeLimit(.minutes(1)))
    func reloadWhileBusy() async throws {
        try await Stage.with { stage in
            let (reads, read) = AsyncStream<Void>.makeStream()
            let shutdown = GracefulShutdown()
            let scheduler = stage.scheduler(
                shutdown,
                loadJobs: {
                    read.yield()
                    let json = #"[{"name": "late", "schedule": "@daily", "sql": "select 1", "line": 3}]"#
                    return JobsDocument(source: "jobs.yml", generation: 1, json: json)
                })
            let other = try await PostgresConnection.connect(stage.cluster.configuration(database: stage.name))
            try await other.execute("alter role \(stage.role) set lock_timeout = '100ms'")
            try await other.execute("begin; lock table monitoring.job_sources in access exclusive mode")
            try await stage.run([scheduler], shutdown) {
                var attempts = reads.makeAsyncIterator()
                for _ in 1...3 { await attempts.next() }
                try await other.execute("rollback")
                try await stage.expect("select string_agg(name, ',') from monitoring.upcoming_jobs", "late")
            }
            await other.close()
        }
    }

    @Test(
        "a job that raises the code of a stale fence fails like any other, and is free to run again",
        .timeLimit(.minutes(1)))
    func forgedFence() async throws {
        try await Stage.with { stage in
            try await stage.schedule(
                "forger", "@daily", "do 'begin raise exception ''mine'' using errcode = ''PV101''; end'")
            try await stage.serving { _ in
                for expected in ["1", "2"] {
                    _ = try await stage.value("select monitoring.run_job('forger')")
                    try await stage.expect(
                        "select count(*) from monitoring.job_runs where status = 'failed' and sqlstate = 'PV101'",
                        expected)
                }
            }
            try await stage.expectInvariants()
        }
    }
}
