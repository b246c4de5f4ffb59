import EmbeddedPostgres
import Glibc
import Postgres
import Runtime
import TestSupport
import Testing

/// Jobs that the service executes on other servers.
@Suite("Jobs on other servers", .serialized, .timeLimit(.minutes(5)))
struct JobTargetTests {
    /// How the runs of a job ended, by target.
    private static func ends(_ job: String) -> String {
        """
        (select string_agg(concat_ws(' ', run.target, run.status, run.reason, run.sqlstate), ', '
            order by run.slot, run.target)
        from monitoring.job_runs as run inner join monitoring.jobs as job using (job_id) where job.name = '\(job)')
        """
    }

    /// A server with a table and a procedure for the role that pgvigil has there.
    private static func prepare(_ server: RemoteServer) async throws {
        try await server.makeWatcher()
        try await server.execute(
            """
            create table public.seen (
                by text default current_user, app text default current_setting('application_name'),
                stop text default current_setting('statement_timeout'),
                slot text default current_setting('pgvigil.run_slot'));
            create role clerk;
            grant clerk to watcher;
            grant insert on public.seen to watcher, clerk;
            create procedure public.twice() language plpgsql as $$
            begin
                insert into public.seen default values;
                commit;
                insert into public.seen default values;
            end
            $$;
            """)
    }

    private static func schedule(_ watch: Watch, _ name: String, _ sql: String, _ more: String) async throws {
        _ = try await watch.scalar(
            """
            select monitoring.schedule_job('\(name)', '@yearly', $job$\(sql)$job$, timeout => '100s', \(more))
            """)
    }

    private static func run(_ watch: Watch, _ name: String) async throws {
        _ = try await watch.scalar("select monitoring.run_job('\(name)')")
    }

    /// Statements of a kind that execute on a server.
    private static func executing(_ server: RemoteServer, _ text: String) async throws -> String? {
        let connection = try await server.connect()
        let count = try await connection.query(
            "select count(*) from pg_stat_activity where usename = 'watcher' and state = 'active' and query like $1",
            ["%\(text)%"]
        ).scalar
        await connection.close()
        return count
    }

    @Test("a job runs on each of its targets in its mode and role; what is wrong with one target is no other's trouble")
    func everyTarget() async throws {
        try await RemoteServer.with { server in
            try await Self.prepare(server)
            try await Watch.with { watch in
                try await watch.add("north", server.conninfo())
                try await watch.add("wrong", server.conninfo(), password: "not it")
                try await watch.add("gone", "host=127.0.0.1 port=\(try freePort()) user=watcher dbname=postgres")
                try await Self.schedule(watch, "mark", "insert into public.seen default values", "targets => '{all}'")
                let north = "targets => '{re:^nor}'"
                try await Self.schedule(
                    watch, "clerk", "insert into public.seen default values", north + ", run_as => 'clerk'")
                try await Self.schedule(watch, "twice", "call public.twice()", north + ", mode => 'procedure'")
                try await Self.schedule(watch, "worn", "vacuum", north + ", mode => 'maintenance'")
                try await Self.schedule(watch, "barred", "create table public.t ()", north)
                try await watch.serving { process, _ in
                    for (job, ends) in [
                        ("mark", "gone failed 08001, north succeeded, wrong failed 28P01"),
                        ("clerk", "north succeeded"),
                        ("twice", "north succeeded"), ("worn", "north succeeded"), ("barred", "north failed 42501"),
                    ] {
                        try await Self.run(watch, job)
                        try await watch.becomesTrue(process, "select \(Self.ends(job)) = '\(ends)'")
                    }
                    try await Self.expectLock(watch, server, process)
                    try await Self.expectCancellation(watch, server, process)
                }
            }
            let connection = try await server.connect()
            let seen = try await connection.query(
                """
                select string_agg(concat_ws(' ', by, app, stop), ', ' order by app, by) from public.seen
                where slot <> ''
                """)
            #expect(
                seen.scalar
                    == "clerk pgvigil job clerk 100s, watcher pgvigil job mark 100s, watcher pgvigil job twice 100s, "
                    + "watcher pgvigil job twice 100s")
            await connection.close()
        }
    }

    /// A run that executes there, whoever knows of it, keeps the next one out.
    private static func expectLock(_ watch: Watch, _ server: RemoteServer, _ process: ServeProcess) async throws {
        let key = try await watch.scalar(
            "select monitoring_internal.target_lock_key(job_id) from monitoring.jobs where name = 'worn'")
        let connection = try await server.connect()
        _ = try await connection.query("select pg_advisory_lock($1::bigint)", [key])
        try await Self.run(watch, "worn")
        try await watch.becomesTrue(process, "select \(Self.ends("worn")) like '%north skipped overlap PV102'")
        await connection.close()
    }

    private static func expectCancellation(
        _ watch: Watch, _ server: RemoteServer, _ process: ServeProcess
    ) async throws {
        try await Self.schedule(watch, "long", "select pg_sleep(90)", "targets => '{north, wrong}'")
        let asked = try await watch.succeed(["jobs", "run", "long", "--target", "north"])
        #expect(asked.contains("of long on north is asked for"))
        try await process.eventually("it executes there") { try await Self.executing(server, "pg_sleep(90)") == "1" }
        try await watch.succeed(["jobs", "cancel", "long"])
        try await watch.becomesTrue(
            process, "select \(Self.ends("long")) = 'north cancelled requested 57014'")
        #expect(try await Self.executing(server, "pg_sleep(90)") == "0")
        let report = try await CommandLineProgram.run(
            ["jobs", "run", "long", "--target", "nort"], environment: ["PGVIGIL_DSN": watch.operators])
        #expect(report.ending == .exited(1) && report.errors.contains("It runs on: north, wrong."), "\(report.errors)")
        let history = try await watch.succeed(["jobs", "history", "long"])
        #expect(history.contains("north"))
    }

    @Test("a service killed in mid-run leaves its run uncertain, and nothing at work there")
    func killed() async throws {
        try await RemoteServer.with { server in
            try await Self.prepare(server)
            try await Watch.with { watch in
                try await watch.add("north", server.conninfo())
                try await Self.schedule(watch, "long", "select pg_sleep(80)", "targets => '{north}'")
                try await watch.serving { process, _ in
                    try await Self.run(watch, "long")
                    try await process.eventually("it executes there") {
                        try await Self.executing(server, "pg_sleep(80)") == "1"
                    }
                    process.child.signal(SIGKILL)
                    _ = await process.child.wait()
                }
                try await watch.serving { process, _ in
                    try await watch.becomesTrue(
                        process, "select \(Self.ends("long")) = 'north uncertain backend_lost 08006'")
                    try await process.eventually("nothing executes there") {
                        try await Self.executing(server, "pg_sleep(80)") == "0"
                    }
                }
            }
        }
    }

    @Test("a run that goes on behind a network that fails is uncertain, and keeps the next one out until it ends")
    func unreachable() async throws {
        try await RemoteServer.with { server in
            try await Self.prepare(server)
            let proxy = try TCPProxy(to: server.cluster.port)
            defer { proxy.stop() }
            try await Watch.with { watch in
                try await watch.add("north", server.conninfo(port: proxy.port))
                try await Self.schedule(watch, "long", "select pg_sleep(70)", "targets => '{north}'")
                try await watch.serving { process, _ in
                    try await Self.run(watch, "long")
                    try await process.eventually("it executes there") {
                        try await Self.executing(server, "pg_sleep(70)") == "1"
                    }
                    proxy.setFrozen(true)
                    process.child.signal(SIGKILL)
                    _ = await process.child.wait()
                }
                try await watch.serving { process, _ in
                    try await watch.becomesTrue(
                        process, "select \(Self.ends("long")) = 'north uncertain target_unreachable 08006'")
                    #expect(try await Self.executing(server, "pg_sleep(70)") == "1")
                    // The address answers again, while the first run goes on behind the old connection.
                    let second = try TCPProxy(to: server.cluster.port)
                    defer { second.stop() }
                    try await watch.succeed([
                        "targets", "rotate", "north", "--conninfo", server.conninfo(port: second.port),
                        "--password-file", "\(watch.folder.path)/password-north",
                    ])
                    try await Self.run(watch, "long")
                    try await watch.becomesTrue(
                        process, "select \(Self.ends("long")) like '%, north skipped overlap PV102'")
                    #expect(try await Self.executing(server, "pg_sleep(70)") == "1")
                }
            }
        }
    }
}
