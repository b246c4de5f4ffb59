import EmbeddedPostgres
import Postgres
import Runtime
import TestSupport
import Testing

@testable import Exporter

/// The whole service on real databases.
@Suite struct ExporterTests {
    private func configuration(_ database: PostgresConfiguration) -> ExporterConfiguration {
        var configuration = ExporterConfiguration(
            host: "127.0.0.1", port: 0, database: database, version: "1.2.3", schemaVersion: "0001")
        configuration.renderLimit = .seconds(5)
        configuration.cacheLifetime = .milliseconds(50)
        return configuration
    }

    /// Runs `body` with a running exporter and stops it.
    private func withExporter(
        _ configuration: ExporterConfiguration, _ body: @escaping @Sendable (UInt16) async throws -> Void
    ) async throws {
        let shutdown = GracefulShutdown()
        let exporter = try Exporter(configuration, shutdown: shutdown, log: Log(level: .error) { _ in })
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await exporter.run() }
            group.addTask {
                defer { shutdown.request() }
                try await body(exporter.port)
            }
            try await group.waitForAll()
        }
    }

    private func ingest(_ database: Database, _ metric: String, count: Int) async throws {
        let connection = try await database.connect()
        _ = try await connection.query(
            """
            select monitoring.ingest_samples(
                array_agg($1::text), array_agg(jsonb_build_object('n', n::text, 'q', 'a"b\\c' || chr(10))), array_agg(n::float8),
                array_agg(now()))
            from generate_series(1, $2::integer) as n
            """, [metric, String(count)])
        await connection.close()
    }

    private func value(_ name: String, _ port: UInt16) async throws -> Double {
        let page = try await HTTPTestClient.get("/metrics/service", port: port)
        let families = try ExpositionParser.parse(page.text)
        return try #require(families.first { $0.name == name }?.samples.first?.value)
    }

    @Test func thePageIsValidAndTheSameWhetherPackedOrNot() async throws {
        try await TestDatabase.withDatabase { database in
            try await ingest(database, "pg_t_many", count: 3000)
            var configuration = configuration(database.configuration)
            configuration.cacheLifetime = .seconds(60)
            try await withExporter(configuration) { port in
                let plain = try await HTTPTestClient.get("/metrics", port: port)
                #expect(plain.status == 200)
                let families = try ExpositionParser.parse(plain.text)
                let many = try #require(families.first { $0.name == "pg_t_many" })
                #expect(many.samples.count == 3000)
                #expect(many.samples.allSatisfy { $0.labels["q"] == "a\"b\\c\n" }, "E-09")
                #expect(families.first { $0.name == "pgvigil_up" }?.samples.first?.value == 1)
                #expect(
                    families.first { $0.name == "pgvigil_build_info" }?.samples.first?.labels == ["version": "1.2.3"])
                #expect(families.contains { $0.name == "process_resident_memory_bytes" })
                let packed = try await HTTPTestClient.get("/metrics", port: port, headers: ["Accept-Encoding: gzip"])
                #expect(packed.body.count < plain.body.count / 4)
                let unpacker = GzipUnpacker(chunks: [packed.body])
                var buffer = [UInt8](repeating: 0, count: plain.body.count + 1)
                let count = buffer.withUnsafeMutableBufferPointer { unpacker.read(into: $0) }
                #expect(count == plain.body.count)
                #expect(buffer.dropLast().elementsEqual(plain.body))
            }
        }
    }

    @Test func aStoredFamilyCannotDoubleOneOfTheProcess() async throws {
        try await TestDatabase.withDatabase { database in
            try await ingest(database, "process_open_fds", count: 2)
            try await ingest(database, "pgvigil_http_requests_total", count: 2)
            try await withExporter(configuration(database.configuration)) { port in
                _ = try await HTTPTestClient.get("/healthz", port: port)
                let page = try await HTTPTestClient.get("/metrics", port: port)
                let families = try ExpositionParser.parse(page.text)
                #expect(families.first { $0.name == "process_open_fds" }?.samples.count == 1)
            }
        }
    }

    @Test func fiftyScrapesAtOnceAreOneRendering() async throws {
        try await TestDatabase.withDatabase { database in
            var configuration = configuration(database.configuration)
            configuration.cacheLifetime = .seconds(60)
            try await withExporter(configuration) { port in
                let pages = try await withThrowingTaskGroup(of: HTTPReply.self) { group in
                    for _ in 0..<50 { group.addTask { try await HTTPTestClient.get("/metrics", port: port) } }
                    return try await group.reduce(into: []) { $0.append($1) }
                }
                #expect(pages.allSatisfy { $0.status == 200 })
                #expect(Set(pages.map(\.body)).count == 1)
                #expect(try await value("pgvigil_scrape_renders_total", port) == 1)
            }
        }
    }

    @Test func aTableLockedAgainstReadersHangsScrapesButNotHealth() async throws {
        try await TestDatabase.withDatabase { database in
            let blocker = try await database.connect()
            try await blocker.execute("begin; lock table monitoring.series in access exclusive mode")
            var configuration = configuration(database.configuration)
            configuration.renderLimit = .seconds(2)
            try await withExporter(configuration) { port in
                let hasEnded = Lock(false)
                async let scrape = {
                    let reply = try await HTTPTestClient.get("/metrics", port: port)
                    hasEnded.withLock { $0 = true }
                    return reply
                }()
                #expect(try await HTTPTestClient.get("/healthz", port: port).status == 200)
                #expect(!hasEnded.withLock { $0 }, "health does not wait for the scrape")
                let hung = try await scrape
                #expect(hung.status == 503)
                #expect(hung.text == "no metrics: the database did not answer in time\n")
                #expect(try await HTTPTestClient.get("/readyz", port: port).status == 200)
                try await blocker.execute("rollback")
                #expect(try await HTTPTestClient.get("/metrics", port: port).status == 200)
                #expect(try await value("pgvigil_scrape_failures_total", port) == 1)
            }
            await blocker.close()
        }
    }

    @Test func aDatabaseThatGoesAndComesBackIsFollowed() async throws {
        try await TestCluster.withCluster { cluster in
            let connection = try await PostgresConnection.connect(cluster.configuration())
            try await connection.execute(
                """
                create schema monitoring;
                create function monitoring.export_metrics_prometheus_lines(excluded_names text[], server text default null, format text default null)
                returns setof text language sql as $$ select E'# HELP m M.\\n# TYPE m gauge\\nm 1\\n' $$
                """)
            // The cluster commits asynchronously: without this the schema would be lost with the server.
            try await connection.execute("checkpoint")
            await connection.close()
            try await withExporter(configuration(cluster.configuration())) { port in
                #expect(try await HTTPTestClient.get("/metrics", port: port).status == 200)
                let unready = try await HTTPTestClient.get("/readyz", port: port)
                #expect(unready.text == "not ready: the database has no schema of pgvigil; run: pgvigil migrate up\n")
                try await cluster.killPostmaster()
                let deadline = Monotonic.now() + .seconds(30)
                var down = ""
                // The dead server's children take a moment to notice, and hold its memory until then.
                while down != "no metrics: the database is not reachable\n", Monotonic.now() < deadline {
                    let reply = try await HTTPTestClient.get("/metrics", port: port)
                    down = reply.status == 503 ? reply.text : ""
                }
                #expect(down == "no metrics: the database is not reachable\n")
                #expect(try await HTTPTestClient.get("/healthz", port: port).status == 200)
                #expect(try await value("pgvigil_database_up", port) == 0)
                while (try? await cluster.startServer()) == nil, Monotonic.now() < deadline {}
                var status = 0
                while status != 200, Monotonic.now() < deadline {
                    status = try await HTTPTestClient.get("/metrics", port: port).status
                }
                #expect(status == 200)
                #expect(try await value("pgvigil_database_up", port) == 1)
                #expect(try await value("pgvigil_database_reconnects_total", port) >= 1)
            }
        }
    }

    @Test func anOldSchemaIsNotReady() async throws {
        try await TestDatabase.withDatabase { database in
            var configuration = configuration(database.configuration)
            configuration.schemaVersion = "9999"
            try await withExporter(configuration) { port in
                let reply = try await HTTPTestClient.get("/readyz", port: port)
                #expect(reply.status == 503)
                #expect(reply.text.hasSuffix("this program needs 9999; run: pgvigil migrate up\n"))
            }
        }
    }

    @Test func shutdownEndsHangingScrapesAtOnce() async throws {
        try await TestDatabase.withDatabase { database in
            let blocker = try await database.connect()
            try await blocker.execute("begin; lock table monitoring.series in access exclusive mode")
            let shutdown = GracefulShutdown()
            let exporter = try Exporter(
                configuration(database.configuration), shutdown: shutdown, log: Log(level: .error) { _ in })
            let time = try await withThrowingTaskGroup(of: Duration?.self) { group in
                group.addTask {
                    try await exporter.run()
                    return nil
                }
                group.addTask {
                    async let scrape = HTTPTestClient.get("/metrics", port: exporter.port)
                    try await Task.sleep(for: .milliseconds(200))
                    let start = Monotonic.now()
                    shutdown.request()
                    #expect(try await scrape.text == "no metrics: the service is stopping\n")
                    return Monotonic.now() - start
                }
                return try await group.reduce(into: Duration.zero) { $0 = max($0, $1 ?? .zero) }
            }
            #expect(time < .seconds(4), "sooner than the render's own limit")
            await blocker.close()
        }
    }
}
