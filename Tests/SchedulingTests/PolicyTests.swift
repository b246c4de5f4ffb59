import EmbeddedPostgres
import Postgres
import Runtime
import TestSupport
import Testing

@testable import Scheduling

/// What services make of overlap, retries, needs, roles and modes.
@Suite struct PolicyTests {
    /// The runs of a job that execute on the server.
    private static func executing(_ what: String) -> String {
        "select count(*) from pg_stat_activity where state = 'active' and query like '%\(what)%' "
            + "and application_name like 'pgvigil job%' and datname = current_database()"
    }

    private static func ledger(_ job: String) -> String {
        """
        select string_agg(concat_ws(' ', r.status, r.reason), ', ' order by r.slot)
        from monitoring.job_runs r join monitoring.jobs j using (job_id) where j.name = '\(job)'
        """
    }

    @Test(
        "overlap cancel: the run at work is cancelled on the server, and the new one takes its place",
        .timeLimit(.minutes(4)))
    func cancelsOverlap() async throws {
        try await Stage.with { stage in
            try await stage.schedule("new", "@yearly", "select public.leave_mark('new', 120)", ", overlap => 'cancel'")
            try await stage.serving { _ in
                _ = try await stage.value("select monitoring.run_job('new')")
                try await stage.expect(Self.executing("leave_mark(''new"), "1")
                _ = try await stage.value("select monitoring.run_job('new')")
                try await stage.expect(Self.ledger("new"), "cancelled overlap")
                try await stage.expect(Self.executing("leave_mark(''new"), "1")
                #expect(try await stage.value("select monitoring.cancel_run('new')") == "1")
                try await stage.expect(Self.ledger("new"), "cancelled overlap, cancelled requested")
            }
            try await stage.expectInvariants()
        }
    }

    @Test("overlap queue: one run waits for the end of the one at work", .timeLimit(.minutes(4)))
    func queuesOverlap() async throws {
        try await Stage.with { stage in
            try await stage.schedule("line", "@yearly", "select public.leave_mark('line', 0.5)", ", overlap => 'queue'")
            try await stage.serving { _ in
                for _ in 1...3 { _ = try await stage.value("select monitoring.run_job('line')") }
                try await stage.expect("select count(*) from public.effects", "3")
            }
            #expect(
                try await stage.value(
                    """
                    select bool_and(r.started_at >= p.finished_at - interval '50 ms') from monitoring.job_runs r
                    join lateral (select * from monitoring.job_runs b where b.slot < r.slot order by b.slot desc limit 1) p
                        on true
                    """) == "t", "no two at once")
            try await stage.expectInvariants()
        }
    }

    @Test("overlap allow: runs are at work beside each other", .timeLimit(.minutes(4)))
    func allowsOverlap() async throws {
        try await Stage.with { stage in
            try await stage.schedule("both", "@yearly", "select public.leave_mark('both', 120)", ", overlap => 'allow'")
            try await stage.serving { _ in
                for _ in 1...2 { _ = try await stage.value("select monitoring.run_job('both')") }
                try await stage.expect(Self.executing("leave_mark(''both"), "2")
                _ = try await stage.value("select monitoring.cancel_run('both')")
                try await stage.expect(Self.ledger("both"), "cancelled requested, cancelled requested")
            }
            try await stage.expectInvariants()
        }
    }

    @Test("a slot that fails is tried again until it succeeds, and is one run", .timeLimit(.minutes(4)))
    func retries() async throws {
        try await Stage.with { stage in
            try await stage.asSuperuser {
                try await $0.execute(
                    """
                    create sequence public.tries;
                    grant usage on public.tries to public;
                    create function public.third_time() returns void language plpgsql as $$
                    begin
                        if nextval('public.tries') < 3 then raise exception 'not yet'; end if;
                        perform public.leave_mark('third');
                    end $$
                    """)
            }
            try await stage.schedule(
                "third", "@yearly", "select public.third_time() /* leave_mark */",
                #", retries => '{"attempts": 5, "base": "1s", "cap": "1s"}'"#)
            try await stage.serving { _ in
                _ = try await stage.value("select monitoring.run_job('third')")
                try await stage.expect(Self.ledger("third"), "succeeded")
            }
            #expect(try await stage.value("select count(*) from monitoring.job_run_attempts") == "2")
            #expect(try await stage.value("select attempt from monitoring.job_runs") == "3")
            try await stage.expectInvariants()
        }
    }

    @Test(
        "a job runs as the role it names, in each mode, and its end is written all the same", .timeLimit(.minutes(4)),
        arguments: ["transaction", "procedure"])
    func runAs(mode: String) async throws {
        try await Stage.with { stage in
            let team = "team_\(stage.name)"
            try await stage.asSuperuser {
                try await $0.execute("create role \(team); grant \(team) to \(stage.role)")
                try await $0.execute(
                    """
                    create procedure public.who() language plpgsql as $$
                    begin insert into public.effects values (current_user, now(), 0); commit; end $$
                    """)
            }
            let command =
                mode == "procedure" ? "call public.who()" : "insert into public.effects values (current_user, now(), 0)"
            try await stage.schedule("who", "@yearly", command, ", mode => '\(mode)', run_as => '\(team)'")
            try await stage.serving { _ in
                for ends in ["succeeded", "succeeded, succeeded"] {
                    _ = try await stage.value("select monitoring.run_job('who')")
                    try await stage.expect(Self.ledger("who"), ends)
                }
                #expect(try await stage.value("select string_agg(distinct job, ',') from public.effects") == team)
                try await stage.asSuperuser { try await $0.execute("revoke \(team) from \(stage.role)") }
                _ = try await stage.value("select monitoring.run_job('who')")
                try await stage.expect(
                    "select message from monitoring.job_runs where sqlstate = 'PV122'",
                    "job \"who\" runs as \(team), of which the service's login \(stage.role) is no member")
            }
            try await stage.expectInvariants()
            try await stage.asSuperuser { try await $0.execute("drop owned by \(team); drop role \(team)") }
        }
    }

    @Test(
        "maintenance: statements that no transaction may hold run, and leave the session as it was",
        .timeLimit(.minutes(4)))
    func maintenance() async throws {
        try await Stage.with { stage in
            try await stage.asSuperuser {
                try await $0.execute(
                    """
                    create table public.worn (n integer primary key);
                    alter table public.worn owner to \(stage.role);
                    create function public.settings_now() returns text language sql as
                        $$ select current_setting('statement_timeout') || current_setting('idle_session_timeout') $$
                    """)
            }
            for (name, command) in [
                ("vacuum", "vacuum (analyze) public.worn"), ("reindex", "reindex table concurrently public.worn"),
            ] { try await stage.schedule(name, "@yearly", command, ", mode => 'maintenance'") }
            try await stage.schedule(
                "look", "@yearly", "insert into public.effects values (public.settings_now(), now(), 0)")
            let shutdown = GracefulShutdown()
            try await stage.run([stage.scheduler(shutdown, sessions: 1)], shutdown) {
                for job in ["vacuum", "reindex", "look"] {
                    _ = try await stage.value("select monitoring.run_job('\(job)')")
                    try await stage.expect(Self.ledger(job), "succeeded")
                }
            }
            #expect(try await stage.value("select job from public.effects") == "5min0")
            try await stage.expectInvariants()
        }
    }

    @Test("a job of several databases runs in each, ends there by itself, and locks there", .timeLimit(.minutes(4)))
    func databases() async throws {
        try await Stage.with { stage in
            let others = ["\(stage.name)_a", "\(stage.name)_b"]
            for other in others {
                try await stage.asSuperuser { try await $0.execute("create database \(other)") }
                let there = try await PostgresConnection.connect(stage.cluster.configuration(database: other))
                try await there.execute(
                    """
                    create table public.seen (run bigint, at timestamptz, app text);
                    grant insert, select on public.seen to public
                    """)
                await there.close()
            }
            try await stage.schedule(
                "wide", "@yearly",
                """
                insert into public.seen values (current_setting('pgvigil.run_id')::bigint,
                    current_setting('pgvigil.run_slot')::timestamptz, current_setting('application_name'))
                """, #", databases => '{"match": "^\#(stage.name)_[ab]$"}'"#)
            try await stage.schedule(
                "worn", "@yearly", "vacuum",
                #", mode => 'maintenance', databases => '{"match": "^\#(stage.name)_[ab]$"}'"#)
            try await stage.schedule(
                "half", "@yearly", "select 1 / (current_database() !~ '_b$')::integer",
                #", databases => '{"match": "^\#(stage.name)_[ab]$"}'"#)
            try await stage.schedule(
                "long", "@yearly", "select pg_sleep(120)", #", databases => '{"match": "^\#(stage.name)_a$"}'"#)
            try await stage.serving { _ in
                for (job, ends) in [
                    ("wide", "succeeded, succeeded"), ("worn", "succeeded, succeeded"), ("half", "succeeded, failed"),
                ] {
                    _ = try await stage.value("select monitoring.run_job('\(job)')")
                    try await stage.expect(
                        """
                        select string_agg(r.status, ', ' order by r.target)
                        from monitoring.job_runs r join monitoring.jobs j using (job_id) where j.name = '\(job)'
                        """, ends)
                }
                _ = try await stage.value("select monitoring.run_job('long')")
                try await stage.expect(
                    "select count(*) from pg_stat_activity where datname = '\(others[0])' and query like '%sleep(120%'",
                    "1")
                #expect(try await stage.value("select monitoring.cancel_run('long')") == "1")
                try await stage.expect(Self.ledger("long"), "cancelled requested")
            }
            for other in others {
                let there = try await PostgresConnection.connect(stage.cluster.configuration(database: other))
                let seen = try await there.query("select count(*) || min(app) from public.seen").scalar
                #expect(seen == "1pgvigil job wide")
                await there.close()
                try await stage.asSuperuser { try await $0.execute("drop database \(other) (force)") }
            }
            try await stage.expectInvariants()
        }
    }

    @Test("a service out of touch stops its jobs before its leases are over", .timeLimit(.minutes(4)))
    func cutOff() async throws {
        try await Stage.with { stage in
            try await stage.asSuperuser {
                try await $0.execute("update monitoring.settings set value = '2 s' where name = 'scheduling.lease'")
            }
            try await stage.schedule("long", "@yearly", "call public.dawdle()", ", mode => 'procedure'")
            try await stage.asSuperuser {
                try await $0.execute("create procedure public.dawdle() language sql as 'select pg_sleep(120)'")
            }
            try await stage.serving { _ in
                _ = try await stage.value("select monitoring.run_job('long')")
                try await stage.expect(Self.executing("call public.dawdle"), "1")
                // How long its leases last a service learns by its first heartbeat.
                try await stage.expect("select seen_at > started_at from monitoring.service_instances", "t")
                // Heartbeats hang: their table is locked. Nobody else is there to end the run.
                try await stage.asSuperuser { holder in
                    try await holder.execute("begin; lock table monitoring.job_leases in access exclusive mode")
                    try await stage.expect(Self.executing("call public.dawdle"), "0")
                    try await holder.execute("rollback")
                }
                try await stage.expect("select count(*) from monitoring.job_leases", "0")
            }
            try await stage.expectInvariants()
        }
    }

    @Test("a job starts once those it needs have succeeded, and not when they failed", .timeLimit(.minutes(4)))
    func needs() async throws {
        try await Stage.with { stage in
            try await stage.schedule("load", "@every 2s", "select public.leave_mark('load', 0.3)", ", history => 'all'")
            try await stage.schedule(
                "report", "@every 2s", "select public.leave_mark('report')", ", needs => '{load}', history => 'all'")
            try await stage.serving { _ in
                try await stage.expect("select count(*) > 1 from public.effects where job = 'report'", "t")
                try await stage.schedule("load", "@every 2s", "select 1 / 0", ", history => 'all'")
                try await stage.expect(
                    "select count(*) > 0 from monitoring.job_runs where reason = 'needs_failed'", "t")
            }
            #expect(
                try await stage.value(
                    """
                    select bool_and(l.finished_at <= r.started_at) from monitoring.job_runs r
                    join monitoring.jobs j using (job_id)
                    join monitoring.job_runs l on l.slot = r.slot and l.job_id <> r.job_id
                    where j.name = 'report' and r.status = 'succeeded'
                    """) == "t")
        }
    }
}
