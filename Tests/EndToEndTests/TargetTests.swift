import EmbeddedPostgres
import Glibc
import Postgres
import Runtime
import TestSupport
import Testing

/// Other servers, watched over TCP by a role with pg_monitor and nothing installed there.
@Suite("Other servers", .serialized, .timeLimit(.minutes(5)))
struct TargetTests {
    @Test("a server with a password, pg_monitor and several databases is measured, each of its series with `server`")
    func measured() async throws {
        try await RemoteServer.with { server in
            try await server.makeWatcher()
            for name in ["shop", "stock"] {
                try await server.cluster.createDatabase(name)
                try await server.execute(
                    "create table things (id int primary key); insert into things select generate_series(1, 100)",
                    in: name)
            }
            try await Watch.with { watch in
                try await watch.add("north", server.conninfo())
                try await watch.serving { process, port in
                    for name in ["shop", "stock"] {
                        // The first runs in a target's databases are spread over a minute.
                        try await process.eventually("tables of \(name)", within: .seconds(200)) {
                            let page = try await HTTPTestClient.get("/metrics/north", port: port).text
                            return page.contains("datname=\"\(name)\",relname=\"things\"")
                        }
                    }
                    let page = try await HTTPTestClient.get("/metrics/north", port: port)
                    #expect(page.status == 200)
                    let samples = try ExpositionParser.parse(page.text)
                    #expect(samples.count > 50)
                    #expect(page.text.contains("pg_up{server=\"north\"} 1"))
                    // What the page says of itself is told apart by Prometheus' own label instance.
                    for line in page.text.split(separator: "\n") where !line.hasPrefix("#") {
                        let isOfPage = ["pgvigil_up", "pgvigil_schema_info", "pgvigil_export_"].contains {
                            line.hasPrefix($0)
                        }
                        #expect(line.contains("server=\"north\"") != isOfPage, "\(line)")
                    }
                    let own = try await HTTPTestClient.get("/metrics", port: port).text
                    #expect(!own.contains("server=\"north\""))
                    try await Self.expectNoTrace(of: server)
                    try await Self.expectNoSecret(watch, process, server)
                }
            }
        }
    }

    /// Nothing is installed on the server, and no more sessions are there than allowed.
    private static func expectNoTrace(of server: RemoteServer) async throws {
        for name in ["postgres", "shop", "stock"] {
            let connection = try await server.connect(name)
            let found = try await connection.query(
                """
                select count(*) from pg_class
                where relnamespace >= 16384 or relowner = 'watcher'::regrole
                """)
            #expect(found.scalar == "0", "in \(name)")
            await connection.close()
        }
        let connection = try await server.connect()
        for _ in 0..<20 {
            let sessions = try await connection.query("select count(*) from pg_stat_activity where usename = 'watcher'")
            #expect((0...2).contains(Int(sessions.scalar ?? "") ?? -1))
            try await connection.execute("select pg_sleep(0.02)")
        }
        let settings = try await connection.query(
            "select distinct application_name from pg_stat_activity where usename = 'watcher'")
        #expect(settings.allSatisfy { $0[0] == "pgvigil" })
        await connection.close()
    }

    /// The password is nowhere but in the service's memory.
    private static func expectNoSecret(
        _ watch: Watch, _ process: ServeProcess, _ server: RemoteServer
    ) async throws {
        let stored = try await watch.scalar("select string_agg(t::text, '') from monitoring.targets as t") ?? ""
        #expect(stored.contains("pgvigil:v1:"))
        let said = [
            stored, process.log, server.cluster.logTail(lines: 5000), watch.database.cluster.logTail(lines: 5000),
            try await watch.scalar("select string_agg(query, '') from pg_stat_activity") ?? "",
            try await watch.succeed(["targets", "list", "--json"]), try await watch.succeed(["targets", "list"]),
            CommandLineProgram.read("/proc/\(process.child.pid)/cmdline"),
        ]
        for text in said { #expect(!text.contains("s3cret")) }
    }

    @Test("`targets test` shows version, role and databases, and each thing that is missing with what mends it")
    func tested() async throws {
        try await RemoteServer.with { server in
            try await server.execute("create role bare login password 'plain'")
            try await server.cluster.createDatabase("closed")
            try await server.execute("revoke connect on database closed from public")
            try await Watch.with { watch in
                try await watch.add("north", server.conninfo("bare"), password: "plain")
                let lacking = try await watch.targets(["test", "north"])
                #expect(lacking.ending == .exited(22), "\(lacking.errors)")
                #expect(lacking.output.contains("\(server.cluster.majorVersion)."))
                #expect(lacking.output.contains("primary, timeline 1"))
                #expect(lacking.output.contains("grant pg_monitor to bare;"))
                #expect(lacking.output.contains("grant connect on database closed to bare;"))
                try await server.execute("grant pg_monitor to bare; grant connect on database closed to bare")
                let bare = try await watch.targets(["test", "north"])
                #expect(bare.ending == .exited(22))
                #expect(bare.output.contains("create extension pg_stat_statements;"))
                try await server.execute("create extension pg_stat_statements")
                let fine = try await watch.targets(["test", "north", "--json"])
                #expect(fine.ending == .exited(0), "\(fine.output)")
                #expect(fine.output.contains("\"subject\":\"database\",\"value\":\"closed\""))
            }
        }
    }

    @Test("wrong passwords, keys, names and connection strings are told apart, each with its remedy")
    func refused() async throws {
        try await RemoteServer.with { server in
            try await server.makeWatcher()
            try await Watch.with { watch in
                let open = try await watch.targets(["add", "north", "--conninfo", "host=a user=b password=hunter2"])
                #expect(open.ending == .exited(2))
                #expect(open.errors.contains("--password-file") && !open.errors.contains("hunter2"))
                for text in ["host=a user='b", "user=b"] {
                    #expect(try await watch.targets(["add", "north", "--conninfo", text]).ending == .exited(2))
                }
                try await watch.add("north", server.conninfo(), password: "wrong")
                let wrong = try await watch.targets(["test", "north"])
                #expect(wrong.ending == .exited(5))
                #expect(wrong.errors.contains("pgvigil targets rotate north"), "\(wrong.errors)")
                let keyless = try await CommandLineProgram.run(
                    ["targets", "test", "north"], environment: ["PGVIGIL_DSN": watch.operators])
                #expect(keyless.ending == .exited(21), "\(keyless.errors)")
                let other = "\(watch.folder.path)/other"
                try await watch.succeed(["key", "new", "--output", other])
                let locked = try await CommandLineProgram.run(
                    ["targets", "test", "north", "--key-file", other],
                    environment: ["PGVIGIL_DSN": watch.operators])
                #expect(locked.ending == .exited(21))
                #expect(locked.errors.contains("which is not among the keys given"), "\(locked.errors)")
                #expect(try await watch.targets(["test", "nobody"]).errors.contains("does not exist"))
                // Whoever may write the table cannot have the password sent elsewhere.
                _ = try await watch.scalar(
                    "select monitoring.set_target('north', conninfo => 'host=127.0.0.2 user=watcher')")
                let moved = try await watch.targets(["test", "north"])
                #expect(moved.ending == .exited(21), "\(moved.errors)")
                try await watch.succeed(["targets", "remove", "north"])
                #expect(try await watch.succeed(["targets", "list"]).contains("no server is watched"))
            }
        }
    }

    @Test("a password that the service's own files hold is for the store: no target gets it by asking")
    func ownPassword() async throws {
        try await RemoteServer.with { server in
            try await server.makeWatcher()
            try await Watch.with { watch in
                try await watch.succeed(["targets", "add", "north", "--no-password", "--conninfo", server.conninfo()])
                let services = try watch.folder.write("[home]\npassword=\(RemoteServer.password)\n", to: "services")
                let asked = try await CommandLineProgram.run(
                    ["targets", "test", "north"],
                    environment: [
                        "PGVIGIL_DSN": watch.operators, "PGVIGIL_KEY_FILE": watch.keyFile,
                        "PGSERVICEFILE": services, "PGSERVICE": "home",
                    ])
                #expect(asked.ending == .exited(5), "\(asked.output)")
                #expect(asked.errors.contains("pgvigil targets rotate north"), "\(asked.errors)")
            }
        }
    }

    @Test("after a change of keys every secret is sealed anew, and opens without the old key")
    func keysChanged() async throws {
        try await RemoteServer.with { server in
            try await server.makeWatcher()
            try await Watch.with { watch in
                try await watch.add("north", server.conninfo())
                try await watch.add("south", server.conninfo())
                let new = try await watch.succeed(["key", "new"])
                let both = try watch.folder.write(new + CommandLineProgram.read(watch.keyFile), to: "both")
                chmod(both, 0o600)
                let said = try await watch.succeed(["targets", "rotate", "--all", "--key-file", both])
                #expect(said.hasPrefix("2 passwords"))
                #expect(try await watch.succeed(["targets", "rotate", "--all", "--key-file", both]).hasPrefix("0 "))
                let alone = try watch.folder.write(new, to: "alone")
                chmod(alone, 0o600)
                try await watch.succeed(["targets", "test", "south", "--key-file", alone])
                // An administrator who may not open secrets can still store one.
                let file = try watch.folder.write(RemoteServer.password, to: "again")
                let stored = try await CommandLineProgram.run(
                    ["targets", "rotate", "south", "--password-file", file],
                    environment: ["PGVIGIL_DSN": watch.admin, "PGVIGIL_KEY_FILE": alone])
                #expect(stored.ending == .exited(0), "\(stored.errors)")
                let opened = try await CommandLineProgram.run(
                    ["targets", "test", "south"],
                    environment: ["PGVIGIL_DSN": watch.admin, "PGVIGIL_KEY_FILE": alone])
                #expect(opened.errors.contains("42501"), "\(opened.errors)")
            }
        }
    }

    @Test("a password rotated under a running service: it recovers by itself once the new one is stored")
    func passwordRotated() async throws {
        try await RemoteServer.with { server in
            try await server.makeWatcher()
            try await Watch.with { watch in
                try await watch.add("north", server.conninfo())
                try await watch.serving { process, _ in
                    try await watch.waits(process, for: "ok", of: "north")
                    try await server.execute(
                        """
                        alter role watcher password 'another';
                        select pg_terminate_backend(pid) from pg_stat_activity where usename = 'watcher'
                        """)
                    try await watch.becomesTrue(
                        process,
                        """
                        select status = 'unreachable' and reason like '%password authentication failed%'
                            and remedy is not null
                        from monitoring.target_status where name = 'north'
                        """)
                    let file = try watch.folder.write("another", to: "new")
                    try await watch.succeed(["targets", "rotate", "north", "--password-file", file])
                    try await watch.waits(process, for: "ok", of: "north")
                    #expect(!process.log.contains("another"))
                }
            }
        }
    }
}
