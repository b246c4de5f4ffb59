import EmbeddedPostgres
import Postgres
import Runtime
import TestSupport
import Testing

@testable import Exporter

/// The page as OpenMetrics: who is given it, and that a strict parser accepts it.
@Suite struct OpenMetricsTests {
    @Test(
        arguments: [
            (nil, ExpositionFormat.prometheus), ("", .prometheus), ("*/*", .prometheus), ("text/plain", .prometheus),
            ("application/openmetrics-text", .openmetrics),
            ("application/openmetrics-text; version=1.0.0", .openmetrics),
            ("APPLICATION/OpenMetrics-Text;version=\"1.0.0\";q=0.1", .openmetrics),
            ("application/openmetrics-text;version=2.0.0", .prometheus),
            ("application/openmetrics-text;q=0", .prometheus), ("application/openmetrics-text;q=0,*/*", .prometheus),
            ("application/openmetrics-text;q=0.4,text/plain;q=0.5", .prometheus),
            ("application/openmetrics-text;q=0.5,text/plain;q=0.4", .openmetrics),
            ("text/plain,application/openmetrics-text", .openmetrics),
            ("application/openmetrics-text;q=0.5,*/*;q=0.1", .openmetrics),
            ("application/openmetrics-text;q=0.5,text/*", .prometheus),
            (
                "application/openmetrics-text;version=1.0.0;q=0.8,application/openmetrics-text;version=0.0.1;q=0.75,"
                    + "text/plain;version=0.0.4;q=0.5,*/*;q=0.1", .openmetrics
            ),
            ("application/json, ;;, q=1", .prometheus), ("application/openmetrics-text;q=much", .openmetrics),
        ] as [(String?, ExpositionFormat)])
    func theFormatIsNegotiated(accept: String?, format: ExpositionFormat) {
        #expect(ExpositionFormat.negotiated(accept: accept) == format)
    }

    @Test func aCounterAndBoundsAreWrittenAsOpenMetricsWritesThem() {
        let counter = MetricFamily("m_total", .counter, "Say \"m\".", 2)
        #expect(counter.text(.openmetrics) == "# HELP m Say \\\"m\\\".\n# TYPE m counter\nm_total 2\n")
        let histogram = MetricFamily(
            "h", .histogram, "H.",
            ["1", "0.5", "+Inf"].map { .init(suffix: "_bucket", 3, labels: [.init("le", $0)]) })
        let bounds = histogram.text(.openmetrics).split(separator: "\n").filter { $0.contains("le=") }
        #expect(bounds == ["h_bucket{le=\"1.0\"} 3", "h_bucket{le=\"0.5\"} 3", "h_bucket{le=\"+Inf\"} 3"])
    }

    @Test func aStrictParserAcceptsEveryPage() async throws {
        try await TestDatabase.withDatabase { database in
            let connection = try await database.connect()
            _ = try await connection.query(
                """
                select monitoring.ingest_samples(
                    array_agg(metric), array_agg(labels::jsonb), array_agg(value), array_agg(now()))
                from (values
                    ('om_a_total', '{"x": "\\"\\\\\\n"}', 1.0::float8), ('om_a', '{}', 2), ('om_rough', '{}', -3.5),
                    ('pg_stat_database_xact_commit', '{"datname": "d"}', 9)) as line (metric, labels, value)
                """)
            await connection.close()
            let configuration = ExporterConfiguration(
                host: "127.0.0.1", port: 0, database: database.configuration, version: "1", schemaVersion: "0001")
            let shutdown = GracefulShutdown()
            let exporter = try Exporter(configuration, shutdown: shutdown, log: Log(level: .error) { _ in })
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask { try await exporter.run() }
                group.addTask {
                    defer { shutdown.request() }
                    for path in ["/metrics", "/metrics/service"] {
                        let page = try await HTTPTestClient.get(
                            path, port: exporter.port, headers: ["Accept: application/openmetrics-text"])
                        #expect(page.headers["content-type"] == ExpositionFormat.openmetrics.contentType)
                        #expect(page.text.hasSuffix("# EOF\n"))
                        #expect(try await Self.families(page.text) > 10, "\(path)")
                    }
                    let hidden = try await HTTPTestClient.get("/metrics%00x", port: exporter.port)
                    #expect(hidden.status == 404, "a NUL in the path does not end it")
                }
                try await group.waitForAll()
            }
        }
    }

    /// How many families the parser of Prometheus' own client finds; it refuses all that the specification forbids.
    private static func families(_ page: String) async throws -> Int {
        let program = """
            import os, sys
            from prometheus_client.openmetrics.parser import text_string_to_metric_families
            print(len(list(text_string_to_metric_families(os.environ["PAGE"]))))
            """
        let report = try await ChildProcess.run(
            ["/usr/bin/python3", "-c", program], environment: ["PAGE": page, "LC_ALL": "C.UTF-8"])
        #expect(report.isSuccess, "\(report.output)")
        return Int(report.output.filter { $0.isNumber }) ?? 0
    }
}
