import EmbeddedPostgres
import Postgres
import Runtime
import Testing

@testable import Collection
@testable import TestSupport

/// The database restarted and killed under the service.
@Suite struct RestartTests {
    @Test("the service goes on after the database was restarted and after it was killed", .timeLimit(.minutes(2)))
    func restarts() async throws {
        try await TestCluster.withCluster(TestCluster.migrated()) { cluster in
            let conninfo = cluster.conninfo(database: TestCluster.migratedDatabase)
            let shutdown = GracefulShutdown()
            let service = CollectionService(
                configuration: PostgresConfiguration(conninfo: conninfo, applicationName: "pgvigil collector"),
                instanceID: "00000000-0000-0000-0000-000000000001", shutdown: shutdown, log: Log(level: .error))
            async let running: Void = service.run()
            let ran = "select count(*) > $1::integer from monitoring.collector_runs where status = 'ok'"
            #expect(try await becomesTrue(conninfo, ran, 8))
            try await cluster.restart(immediate: false)
            #expect(try await becomesTrue(conninfo, ran, 10))
            try await cluster.restart(immediate: true)
            #expect(try await becomesTrue(conninfo, ran, 12))
            shutdown.request()
            try await running
        }
    }

    private func becomesTrue(_ conninfo: String, _ sql: String, _ parameter: Int) async throws -> Bool {
        let deadline = ContinuousClock.now + .seconds(40)
        while ContinuousClock.now < deadline {
            do throws(PostgresError) {
                let connection = try await PostgresConnection.connect(
                    PostgresConfiguration(conninfo: conninfo, applicationName: "watcher"))
                let answer = try await connection.query(sql, [String(parameter)]).scalar
                await connection.close()
                if answer == "t" { return true }
            } catch {
                // The server is coming back, or something is wrong that the test must show.
                guard error.isTransient || error.isConnectionLost else { throw error }
            }
            try await Task.sleep(for: .milliseconds(100))
        }
        return false
    }
}
