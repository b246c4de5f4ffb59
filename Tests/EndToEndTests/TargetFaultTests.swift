import EmbeddedPostgres
import Glibc
import Postgres
import Runtime
import TestSupport
import Testing

/// What networks and servers do to a service that watches many of them.
@Suite("Other servers in trouble", .serialized, .timeLimit(.minutes(5)))
struct TargetFaultTests {
    /// The number of collections of a target that went well.
    private static func collected(_ name: String) -> String {
        """
        (select count(*) from monitoring.collector_runs as run
            inner join monitoring.target_databases as place using (target_database_id)
            inner join monitoring.targets as target using (target_id)
            where target.name = '\(name)' and run.status = 'ok')
        """
    }

    @Test("targets that accept a connection and never answer delay neither others nor the store's own collection")
    func silent() async throws {
        try await RemoteServer.with { server in
            try await server.makeWatcher()
            let proxy = try TCPProxy(to: server.cluster.port)
            defer { proxy.stop() }
            proxy.setFrozen(true)
            try await Watch.with { watch in
                for number in 1...6 { try await watch.add("silent-\(number)", server.conninfo(port: proxy.port)) }
                try await watch.add("north", server.conninfo())
                try await watch.serving(["--target-sessions", "4"]) { process, _ in
                    try await watch.becomesTrue(
                        process,
                        """
                        select count(*) = 6 from monitoring.target_status
                        where name like 'silent%' and status = 'unreachable'
                        """)
                    let before = try await watch.scalar("select \(Self.collected("north"))") ?? "0"
                    let local = try await watch.scalar("select \(Self.collected("local"))") ?? "0"
                    try await watch.becomesTrue(process, "select \(Self.collected("north")) >= \(before) + 10")
                    try await watch.becomesTrue(process, "select \(Self.collected("local")) >= \(local) + 10")
                    // Of the time that passed, no run of the good server waited for a bad one.
                    let late = try await watch.scalar(
                        """
                        select count(*) from monitoring.collector_runs as run
                        inner join monitoring.target_databases as place using (target_database_id)
                        inner join monitoring.targets as target using (target_id)
                        where target.name = 'north' and run.status <> 'ok'
                            and not (run.status in ('skipped', 'unavailable') and run.sqlstate is null)
                        """)
                    #expect(late == "0")
                    let page = try await watch.scalar(
                        "select monitoring.export_metrics_prometheus('silent-1') like '%pg_up{server=\"silent-1\"} 0%'")
                    #expect(page == "t")
                    proxy.setFrozen(false)
                    for number in 1...6 { try await watch.waits(process, for: "ok", of: "silent-\(number)") }
                }
            }
        }
    }

    @Test("a network that goes dead in the middle of everything: noted as a gap, and over when the network is back")
    func deadNetwork() async throws {
        try await RemoteServer.with { server in
            try await server.makeWatcher()
            let proxy = try TCPProxy(to: server.cluster.port)
            defer { proxy.stop() }
            try await Watch.with { watch in
                try await watch.add("north", server.conninfo(port: proxy.port))
                try await watch.serving { process, _ in
                    try await watch.waits(process, for: "ok", of: "north")
                    try await watch.becomesTrue(process, "select \(Self.collected("north")) >= 5")
                    proxy.setFrozen(true)
                    try await watch.waits(process, for: "unreachable", of: "north")
                    try await watch.becomesTrue(
                        process,
                        """
                        select exists (select 1 from monitoring.collector_gaps as gap
                            inner join monitoring.target_databases as place using (target_database_id)
                            where gap.ended_at is null and gap.status = 'skipped' and place.target_id <> 0)
                        """)
                    proxy.setFrozen(false)
                    try await watch.waits(process, for: "ok", of: "north")
                    let before = try await watch.scalar("select \(Self.collected("north"))") ?? "0"
                    try await watch.becomesTrue(process, "select \(Self.collected("north")) >= \(before) + 5")
                }
            }
        }
    }

    @Test("a standby is measured, and promoted in mid-run: its series go on, and the failover is noted")
    func failover() async throws {
        try await RemoteServer.with(settings: ["wal_keep_size": "64MB"]) { primary in
            try await primary.makeWatcher()
            try await RemoteServer.with(origin: .standby(of: primary.cluster)) { standby in
                let hosts = "host=127.0.0.1,127.0.0.1 port=\(primary.cluster.port),\(standby.cluster.port)"
                let pair = "\(hosts) user=watcher dbname=postgres target_session_attrs=primary"
                try await Watch.with { watch in
                    try await watch.add("pair", pair)
                    try await watch.add("replica", standby.conninfo())
                    try await watch.serving { process, _ in
                        for name in ["pair", "replica"] { try await watch.waits(process, for: "ok", of: name) }
                        #expect(try await Self.role(watch, "replica") == "standby")
                        #expect(try await Self.role(watch, "pair") == "primary")
                        try await watch.becomesTrue(
                            process, "select count(*) = 2 from (\(Self.upSeries)) as series")
                        let series = try await Self.series(watch)
                        try await primary.cluster.killPostmaster()
                        try await standby.cluster.promote()
                        for name in ["pair", "replica"] {
                            try await watch.becomesTrue(
                                process,
                                """
                                select status = 'ok' and role = 'primary' and timeline = 2
                                from monitoring.target_status where name = '\(name)'
                                """)
                            try await watch.becomesTrue(
                                process,
                                """
                                select exists (select 1 from monitoring.target_events
                                    where target_name = '\(name)' and kind = 'failover')
                                """)
                        }
                        #expect(try await Self.series(watch) == series)
                        let before = try await watch.scalar("select \(Self.collected("pair"))") ?? "0"
                        try await watch.becomesTrue(process, "select \(Self.collected("pair")) >= \(before) + 5")
                    }
                }
            }
        }
    }

    private static func role(_ watch: Watch, _ name: String) async throws -> String? {
        try await watch.scalar("select role from monitoring.target_status where name = '\(name)'")
    }

    private static let upSeries = """
        select series_id from monitoring.series inner join monitoring.metric_families using (metric_family_id)
        where name = 'pg_up' and labels ? 'server'
        """

    /// The identities of a family that every server has.
    private static func series(_ watch: Watch) async throws -> String? {
        try await watch.scalar(
            "select string_agg(series_id::text, ',' order by series_id) from (\(upSeries)) as series")
    }

    @Test("another cluster at the same address is refused until somebody accepts it")
    func otherCluster() async throws {
        try await RemoteServer.with { first in
            try await first.makeWatcher()
            let folder = try TemporaryFolder()
            try await RemoteServer.with(directory: "\(folder.path)/second") { second in
                try await second.makeWatcher()
                let proxy = try TCPProxy(to: first.cluster.port)
                defer { proxy.stop() }
                try await Watch.with { watch in
                    try await watch.add("north", first.conninfo(port: proxy.port))
                    try await watch.serving { process, _ in
                        try await watch.waits(process, for: "ok", of: "north")
                        proxy.lead(to: second.cluster.port)
                        try await watch.waits(process, for: "refused", of: "north")
                        let tested = try await watch.targets(["test", "north"])
                        #expect(tested.ending == .exited(1))
                        #expect(tested.errors.contains("pgvigil targets accept north"), "\(tested.errors)")
                        try await watch.succeed(["targets", "accept", "north"])
                        try await watch.waits(process, for: "ok", of: "north")
                    }
                }
            }
        }
    }

    @Test("a cluster of many databases is walked through few sessions")
    func manyDatabases() async throws {
        try await RemoteServer.with { server in
            try await server.makeWatcher()
            for number in 1...60 { try await server.cluster.createDatabase("db\(number)") }
            try await Watch.with { watch in
                _ = try await watch.scalar(
                    "update monitoring.collectors set custom_every = '1s' where scope = 'database' returning 1")
                try await watch.add("north", server.conninfo())
                try await watch.serving { process, _ in
                    let most = Lock(0)
                    let connection = try await server.connect()
                    try await process.eventually("every database is measured", within: .seconds(240)) {
                        let sessions = try await connection.query(
                            "select count(*) from pg_stat_activity where usename = 'watcher'")
                        most.withLock { $0 = max($0, Int(sessions.scalar ?? "") ?? 99) }
                        return try await watch.scalar(
                            """
                            select count(distinct target_database_id) >= 61 from monitoring.collector_runs
                            inner join monitoring.collectors using (collector_id)
                            where status = 'ok' and scope = 'database' and target_database_id <> 0
                            """) == "t"
                    }
                    await connection.close()
                    // Two, and one whose end the server has not yet taken in.
                    #expect((1...3).contains(most.withLock { $0 }))
                }
            }
        }
    }

    @Test(
        "a pooler of transactions is refused with a clear reason; one of sessions serves",
        arguments: ["transaction", "session"])
    func pooler(mode: String) async throws {
        try await RemoteServer.with { server in
            try await server.makeWatcher("watcher", password: "plain")
            try await Watch.with { watch in
                let port = try freePort()
                let pooler = try Self.startPooler(server, mode, port)
                do {
                    try await watch.add("north", server.conninfo(port: port), password: "plain")
                    try await Self.expect(mode, watch)
                } catch {
                    Issue.record(error)
                }
                pooler.signal(SIGKILL)
                _ = await pooler.wait()
            }
        }
    }

    private static func expect(_ mode: String, _ watch: Watch) async throws {
        var report = try await watch.targets(["test", "north"])
        let deadline = Monotonic.now() + .seconds(30)
        while report.errors.contains("Connection refused"), Monotonic.now() < deadline {
            report = try await watch.targets(["test", "north"])
        }
        guard mode == "transaction" else {
            #expect(report.ending == .exited(0), "\(report.errors)\(report.output)")
            return
        }
        #expect(report.ending == .exited(1))
        #expect(report.errors.contains("a pooler in transaction mode stands before the server"), "\(report.errors)")
        try await watch.serving { process, _ in
            try await watch.becomesTrue(
                process,
                """
                select status = 'unreachable' and reason like '%pooler in transaction mode%'
                from monitoring.target_status where name = 'north'
                """)
        }
    }

    private static func startPooler(_ server: RemoteServer, _ mode: String, _ port: UInt16) throws -> ChildProcess {
        let folder = server.cluster.directory + "/pooler"
        mkdir(folder, 0o777)
        chmod(folder, 0o777)
        for (name, text) in [
            ("users", "\"watcher\" \"plain\"\n"),
            (
                "pooler.ini",
                """
                [databases]
                * = host=127.0.0.1 port=\(server.cluster.port)
                [pgbouncer]
                listen_addr = 127.0.0.1
                listen_port = \(port)
                unix_socket_dir =
                auth_type = scram-sha-256
                auth_file = \(folder)/users
                pool_mode = \(mode)
                """
            ),
        ] {
            let file = try #require(fopen("\(folder)/\(name)", "we"))
            fputs(text, file)
            fclose(file)
            chmod("\(folder)/\(name)", 0o644)
        }
        let prefix = geteuid() == 0 ? ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups", "--"] : []
        return try ChildProcess(
            prefix + ["/usr/sbin/pgbouncer", "-q", "\(folder)/pooler.ini"],
            environment: ["PATH": "/usr/local/bin:/usr/bin:/bin:/usr/sbin"], directory: folder,
            output: .file("\(folder)/log"), errors: .file("\(folder)/log"))
    }
}
