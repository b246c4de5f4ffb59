import Glibc
import Runtime
import TestSupport
import Testing

/// Pages of single servers, and how Prometheus finds them.
@Suite("Pages of other servers", .serialized, .timeLimit(.minutes(3)))
struct TargetPrometheusTests {
    @Test("a real Prometheus finds every server by service discovery and scrapes each one's page")
    func discovery() async throws {
        try await RemoteServer.with { server in
            try await server.makeWatcher()
            try await Watch.with { watch in
                for name in ["north", "south"] { try await watch.add(name, server.conninfo()) }
                try await watch.serving { process, port in
                    for name in ["north", "south"] { try await watch.waits(process, for: "ok", of: name) }
                    try await Self.expectPages(port)
                    try await Self.withPrometheus(port) { queryPort in
                        for name in ["north", "south"] {
                            let question = "pg_up{job=\"fleet\",server=\"\(name)\"} == 1"
                            try await ServePrometheusTests.wait(for: question, queryPort)
                            try await ServePrometheusTests.wait(
                                for: "pg_stat_database_xact_commit{server=\"\(name)\"} >= 0", queryPort)
                            try await ServePrometheusTests.wait(for: "up{instance=\"\(name)\"} == 1", queryPort)
                        }
                    }
                }
            }
        }
    }

    private static func expectPages(_ port: UInt16) async throws {
        let list = try await HTTPTestClient.get("/targets", port: port)
        #expect(list.status == 200)
        #expect(list.headers["content-type"] == "application/json")
        for name in ["north", "south"] {
            #expect(list.text.contains("\"/metrics/\(name)\""), "\(list.text)")
        }
        #expect(list.text.contains("\"localhost\""))
        let unknown = try await HTTPTestClient.get("/metrics/nobody", port: port)
        #expect(unknown.status == 404)
        #expect(unknown.text == "no server \"nobody\" is watched; /targets lists those that are\n")
        for path in ["/metrics/", "/metrics/a/b", "/metrics/a%20b", "/metrics/%00", "/metrics/North"] {
            #expect(try await HTTPTestClient.get(path, port: port).status == 404, "\(path)")
        }
        let own = try await HTTPTestClient.get("/metrics/service", port: port)
        #expect(own.status == 200 && own.text.contains("process_resident_memory_bytes"))
        let page = try await HTTPTestClient.get("/metrics/north", port: port)
        #expect(!page.text.contains("process_resident_memory_bytes"))
        #expect(!page.text.contains("server=\"south\""))
    }

    /// Runs `body` with a Prometheus that asks for its targets.
    private static func withPrometheus(_ port: UInt16, _ body: (UInt16) async throws -> Void) async throws {
        let folder = try TemporaryFolder()
        let configuration = try folder.write(
            """
            global: {scrape_interval: 1s, scrape_timeout: 1s}
            scrape_configs:
              - job_name: fleet
                http_sd_configs: [{url: "http://127.0.0.1:\(port)/targets", refresh_interval: 1s}]
            """, to: "prometheus.yml")
        let queryPort = try freePort()
        let prometheus = try ChildProcess(
            [
                "/usr/bin/prometheus", "--config.file=\(configuration)", "--storage.tsdb.path=\(folder.path)/data",
                "--web.listen-address=127.0.0.1:\(queryPort)", "--log.level=warn",
            ], environment: ["PATH": "/usr/bin:/bin"], output: .null, errors: .file("\(folder.path)/log"))
        do {
            try await body(queryPort)
        } catch {
            Issue.record("\(error)\n\(TemporaryFolder.read("\(folder.path)/log"))")
        }
        prometheus.signal(SIGKILL)
        _ = await prometheus.wait()
    }
}
