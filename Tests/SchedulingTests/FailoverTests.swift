import EmbeddedPostgres
import Postgres
import Runtime
import TestSupport
import Testing

@testable import Scheduling

/// What a service makes of a primary that is gone and a standby that takes its place.
@Suite struct FailoverTests {
    /// One connection string for both servers: whichever takes writes.
    private static func conninfo(_ first: Stage, _ second: Stage) -> String {
        let hosts = "\(first.cluster.socketDirectory),\(second.cluster.socketDirectory)"
        return "host='\(hosts)' port='5432,5432' dbname='\(first.name)' user='\(first.role)' "
            + "target_session_attrs=read-write connect_timeout=10"
    }

    @Test(
        "a standby promoted in mid-run: jobs go on there, and what was half done is uncertain", .timeLimit(.minutes(5)))
    func promoted() async throws {
        try await TestCluster.withStandby(
            TestCluster.migrated(),
            prepare: { primary in
                try await TestCluster.nameMigrated("crash", in: primary)
                let stage = try await Stage.prepare("crash", of: primary)
                try await stage.asSuperuser {
                    try await $0.execute("create procedure public.dawdle() language sql as 'select pg_sleep(600)'")
                }
                try await stage.schedule("mark", "@every 1s", "select public.leave_mark('mark')")
                try await stage.schedule("long", "@yearly", "call public.dawdle()", ", mode => 'procedure'")
                try await stage.schedule("held", "@yearly", "select public.leave_mark('held', 600)")
            },
            { primary, standby in
                let before = Stage(cluster: primary, name: "crash", role: "service_crash")
                let after = Stage(cluster: standby, name: "crash", role: "service_crash")
                var settings = SchedulerSettings(conninfo: Self.conninfo(before, after), version: "test")
                settings.heartbeatInterval = .milliseconds(300)
                settings.drainLimit = .seconds(10)
                let shutdown = GracefulShutdown()
                let scheduler = Scheduler(
                    settings: settings, shutdown: shutdown, log: Log(level: .error, sink: { _ in }))
                try await before.run([scheduler], shutdown) {
                    for job in ["long", "held"] { _ = try await before.value("select monitoring.run_job('\(job)')") }
                    try await after.expect(
                        """
                        select count(*) from monitoring.job_leases where trigger = 'manual' and instance_id is not null
                        """,
                        "2")
                    try await after.expect("select count(*) > 1 from public.effects", "t")
                    try await primary.killPostmaster()
                    try await after.asSuperuser { try await $0.execute("select pg_promote()") }
                    let count = try await after.value("select count(*) from public.effects") ?? ""
                    try await after.expect("select count(*) > \(count) + 2 from public.effects", "t")
                    for (job, end) in [("long", "uncertain backend_lost"), ("held", "failed backend_lost")] {
                        try await after.expect(
                            """
                            select concat_ws(' ', r.status, r.reason)
                            from monitoring.job_runs r join monitoring.jobs j using (job_id) where j.name = '\(job)'
                            """, end)
                    }
                }
                try await after.expectInvariants()
            })
    }
}
