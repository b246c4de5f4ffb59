import EmbeddedPostgres
import Glibc
import Postgres
import Runtime
import TestSupport
import Testing

/// The built program as a service: under systemd, while it ends, in its logs, as a package.
@Suite struct OperationTests {
    @Test func theServiceManagerHearsOfEachStep() async throws {
        let socket = try NotifySocket()
        let environment = ["NOTIFY_SOCKET": socket.address, "WATCHDOG_USEC": "1000000"]
        try await TestDatabase.withDatabase { database in
            try await ServeProcess.with(["--dsn", database.conninfo], environment: environment) { process, port in
                #expect(await socket.waits { $0 == "READY=1" })
                #expect(try await HTTPTestClient.get("/healthz", port: port).status == 200, "it listens by then")
                #expect(await socket.waits { $0 == "WATCHDOG=1" })
                #expect(await socket.waits { $0.hasPrefix("STATUS=serving") })
                process.child.signal(SIGHUP)
                #expect(await socket.waits { $0.hasPrefix("RELOADING=1\nMONOTONIC_USEC=") })
                try await process.eventually("it is ready again") {
                    socket.messages.filter { $0 == "READY=1" }.count == 2
                }
                #expect(await process.stop() == .exited(0))
                #expect(socket.messages.contains("STOPPING=1"))
                let order = socket.messages.filter { $0.hasPrefix("RELOAD") || $0 == "READY=1" || $0 == "STOPPING=1" }
                #expect(order.map { $0.prefix(5) } == ["READY", "RELOA", "READY", "STOPP"])
            }
        }
    }

    @Test func healthStaysWhileJobsFinishAndReadinessSaysWhy() async throws {
        try await TestDatabase.withDatabase { database in
            let holder = try await database.connect()
            try await holder.execute("select monitoring.schedule_job('sleeps', '@every 1s', 'select pg_sleep(600)')")
            let running = """
                from pg_stat_activity
                where datname = current_database() and application_name = 'pgvigil job' and wait_event = 'PgSleep'
                """
            try await ServeProcess.with(["--dsn", database.conninfo, "--drain", "2m"]) { process, port in
                try await process.eventually("the job runs") {
                    try await holder.query("select \(running)").count > 0
                }
                process.child.signal(SIGTERM)
                try await process.eventually("it says that it drains") {
                    let reply = try await HTTPTestClient.get("/readyz", port: port)
                    return reply.status == 503 && reply.text == "not ready: draining\n"
                }
                #expect(try await HTTPTestClient.get("/healthz", port: port).text == "ok\n")
                #expect(try await HTTPTestClient.get("/metrics", port: port).status == 200)
                #expect(process.child.ending == nil)
                try await holder.execute("select pg_cancel_backend(pid) \(running)")
                #expect(await process.child.wait() == .exited(0))
            }
            await holder.close()
        }
    }

    @Test func noSecretIsInAnyLog() async throws {
        let folder = try TemporaryFolder()
        let token = "token-0123456789abcdef"
        let tokens = try folder.write(token + "\n", to: "tokens")
        try await TestDatabase.withDatabase { database in
            let connection = try await database.connect()
            _ = try await connection.query(
                "select monitoring.schedule_job('leaky', '@every 1s', $1)", ["select 'secret-in-job'::integer"])
            let arguments = [
                "--dsn", database.conninfo + " password=secret-of-login", "--bearer-token-file", tokens, "--log-level",
                "debug",
            ]
            try await ServeProcess.with(arguments) { process, port in
                for header in ["Authorization: Bearer \(token)", "Authorization: Bearer wrong-token-of-somebody"] {
                    _ = try await HTTPTestClient.get("/metrics", port: port, headers: [header])
                }
                try await process.eventually("the job failed") { process.log.contains("run did not succeed") }
                _ = try folder.write("bad\n", to: "tokens")
                process.child.signal(SIGHUP)
                try await process.eventually("the file is refused") {
                    process.log.contains("exporter keeps its certificate and passwords")
                }
                // Connections that break are what most programs tell too much about.
                try await connection.execute(
                    """
                    select pg_terminate_backend(pid) from pg_stat_activity
                    where datname = current_database() and pid <> pg_backend_pid()
                    """)
                try await process.eventually("it is connected again") {
                    process.log.split(separator: "\n").filter { $0.contains("scheduler is connected") }.count >= 2
                }
                #expect(await process.stop() == .exited(0))
                for secret in ["secret-of-login", "secret-in-job", token, "wrong-token", "password"] {
                    let line = process.log.split(separator: "\n").first {
                        $0.contains(secret) && !$0.contains("keeps its certificate and passwords")
                    }
                    #expect(line == nil, "\(secret): \(line ?? "")")
                }
            }
            await connection.close()
        }
        let refused = try await ServeProcess.refused(
            ["--dsn", "host=127.0.0.1 port=1 password=secret-of-login connect_timeout=2", "--listen", "127.0.0.1:0"])
        #expect(!refused.output.contains("secret-of-login"), "\(refused.output)")
    }

    @Test func linesForPeopleAndWrongOptions() async throws {
        try await TestDatabase.withDatabase { database in
            let folder = try TemporaryFolder()
            let process = try ServeProcess(["--dsn", database.conninfo, "--log-format", "text"], folder: folder)
            try await process.eventually("it serves") { process.log.contains("Z info    serving version=") }
            #expect(await process.stop() == .exited(0))
        }
        for (words, message) in [
            (["--log-format", "xml"], "--log-format must be json or text"),
            (["--tls-cert", "/x"], "--tls-cert and --tls-key need each other"),
            (["--bearer-token-file", "/no/such/file"], "cannot read /no/such/file: No such file or directory"),
        ] {
            let report = try await ServeProcess.refused(words)
            #expect(report.ending == .exited(2) && report.output.contains(message), "\(report.output)")
        }
    }

    @Test func downShowsThePlanAndDoesNothingUntilConfirmed() async throws {
        try await TestDatabase.withDatabase { database in
            let newest = "select max(version) from monitoring.schema_migrations"
            let connection = try await database.connect()
            let before = try await connection.query(newest).scalar
            let plan = try await CommandLineProgram.run(["migrate", "down", "5", "--dsn", database.conninfo])
            #expect(plan.ending == .exited(31))
            #expect(plan.output.contains("undo   0006_collection"), "\(plan.output)")
            #expect(plan.output.contains("drops monitoring.collectors with "), "\(plan.output)")
            #expect(plan.errors.hasPrefix("pgvigil: nothing was changed; repeat with --yes"), "\(plan.errors)")
            #expect(try await connection.query(newest).scalar == before)
            let impossible = try await CommandLineProgram.run(
                ["migrate", "down", "--steps", "99", "--yes", "--dsn", database.conninfo])
            #expect(impossible.ending == .exited(30), "\(impossible.errors)")
            let done = try await CommandLineProgram.run([
                "migrate", "down", "0005", "--yes", "--dsn", database.conninfo,
            ])
            #expect(done.ending == .exited(0), "\(done.errors)")
            #expect(done.output.contains("undid 0006_collection"), "\(done.output)")
            #expect(try await connection.query(newest).scalar == "0005")
            #expect(
                try await CommandLineProgram.run(["migrate", "up", "--dsn", database.conninfo]).ending == .exited(0))
            let verified = try await CommandLineProgram.run(["migrate", "verify", "--dsn", database.conninfo])
            #expect(verified.ending == .exited(0), "\(verified.output)")
            await connection.close()
        }
    }

    @Test func thePackageHoldsProgramUnitAndDocuments() async throws {
        let folder = try TemporaryFolder()
        let root = #filePath.split(separator: "/").dropLast(3).reduce("") { "\($0)/\($1)" }
        var environment = ProcessEnvironment.variables()
        environment["DPKG_COMPRESSOR"] = "none"
        let built = try await ChildProcess.run(
            ["\(root)/scripts/build-deb", ServeProcess.program, folder.path], environment: environment)
        try #require(built.isSuccess, "\(built.output)")
        let path = String(built.output.prefix { !$0.isNewline })
        let listed = try await ChildProcess.run(["dpkg-deb", "--contents", path], environment: environment)
        for file in [
            "./usr/bin/pgvigil", "./lib/systemd/system/pgvigil.service", "./etc/pgvigil/pgvigil.env",
            "./usr/share/doc/pgvigil/operations.md",
        ] {
            #expect(listed.output.contains(file), "\(listed.output)")
        }
        #expect(listed.output.split(separator: "\n").allSatisfy { $0.contains("root/root") })
        let depends = try await ChildProcess.run(["dpkg-deb", "--field", path, "Depends"], environment: environment)
        for package in ["libpq5", "libmicrohttpd12", "libyaml-0-2", "libc6"] {
            #expect(depends.output.contains(package), "\(depends.output)")
        }
    }
}
