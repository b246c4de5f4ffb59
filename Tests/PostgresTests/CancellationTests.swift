import EmbeddedPostgres
import Postgres
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(3))) struct CancellationTests {
    private static let isSleeping =
        "select state = 'active' and query like '%pg_sleep(600)%' from pg_stat_activity where pid = $1"

    @Test func `cancelling the task cancels the statement on the server`() async throws {
        try await TestDatabase.withDatabase(.empty) { database in
            let (connection, watcher) = (try await database.connect(), try await database.connect())
            let task = Task { try await connection.query("select pg_sleep(600)") }
            try await watcher.waitUntil(Self.isSleeping, ["\(connection.backendPID)"])
            let asked = ContinuousClock.now
            task.cancel()
            let error = await #expect(throws: PostgresError.self) { try await task.value }
            print("cancelled after \(asked.duration(to: .now))")
            #expect(error?.kind == .cancelled)
            #expect(error?.sqlState == "57014")
            #expect(error?.isConnectionLost == false)
            #expect(try await connection.query("select 1").scalar == "1")
            let state = try await watcher.query(
                "select state from pg_stat_activity where pid = $1", ["\(connection.backendPID)"])
            #expect(state.scalar == "idle")
            for connection in [connection, watcher] { await connection.close() }
        }
    }

    @Test func `a cancelled call that still waits in line is never sent`() async throws {
        try await TestDatabase.withDatabase(.empty) { database in
            let (connection, watcher) = (try await database.connect(), try await database.connect())
            try await watcher.execute("create table t ()")
            let first = Task { try await connection.query("select pg_sleep(600)") }
            try await watcher.waitUntil(Self.isSleeping, ["\(connection.backendPID)"])
            let second = Task { try await connection.query("drop table t") }
            second.cancel()
            let error = await #expect(throws: PostgresError.self) { try await second.value }
            #expect(error?.kind == .cancelled)
            #expect(error?.sqlState == nil)
            first.cancel()
            await #expect(throws: PostgresError.self) { try await first.value }
            #expect(try await connection.query("select to_regclass('t') is not null").scalar == "t")
            for connection in [connection, watcher] { await connection.close() }
        }
    }

    @Test func `a cancel request never hits the statement after its own`() async throws {
        try await TestDatabase.withDatabase(.empty) { database in
            let connection = try await database.connect()
            var random = SystemRandomNumberGenerator()
            var cancelled = 0
            for _ in 1...300 {
                let task = Task { try await connection.query("select pg_sleep(0.001)") }
                for _ in 0..<Int.random(in: 0..<400, using: &random) { await Task.yield() }
                task.cancel()
                do { _ = try await task.value } catch { cancelled += 1 }
                #expect(try await connection.query("select 1").scalar == "1")
            }
            #expect(cancelled > 0, "no cancellation came in time: the test proves nothing")
            await connection.close()
        }
    }

    @Test func `the client's deadline stops the statement and keeps the session`() async throws {
        try await TestDatabase.withDatabase(.empty) { database in
            let connection = try await database.connect()
            let start = ContinuousClock.now
            let error = await #expect(throws: PostgresError.self) {
                try await connection.query("select pg_sleep(600)", timeout: .milliseconds(50))
            }
            let elapsed = start.duration(to: .now)
            #expect(error?.kind == .timeout)
            #expect(error?.sqlState == "57014")
            #expect(elapsed >= .milliseconds(50))
            #expect(elapsed < .seconds(8))
            #expect(try await connection.query("select 1", timeout: .seconds(5)).scalar == "1")
            await connection.close()
        }
    }

    @Test func `the server's own time limit is told as the server's error`() async throws {
        try await TestDatabase.withDatabase(.empty) { database in
            let connection = try await database.connect()
            try await connection.execute("set statement_timeout = 30")
            let error = await #expect(throws: PostgresError.self) { try await connection.query("select pg_sleep(600)") }
            #expect(error?.kind == .server)
            #expect(error?.sqlState == "57014")
            await connection.close()
        }
    }

    @Test func `a server that answers nothing is given up, and connecting to it ends in time`() async throws {
        try await TestCluster.withCluster { cluster in
            let configuration = PostgresConfiguration(
                conninfo: cluster.conninfo(), applicationName: "t", connectTimeout: .milliseconds(200),
                cancelLimit: .milliseconds(200))
            let connection = try await PostgresConnection.connect(configuration)
            try cluster.setFrozen(true)
            let error = await #expect(throws: PostgresError.self) {
                try await connection.query("select pg_sleep(600)", timeout: .milliseconds(50))
            }
            #expect(error?.kind == .timeout)
            #expect(error?.isConnectionLost == true)
            #expect(!connection.isOpen)
            let start = ContinuousClock.now
            let refused = await #expect(throws: PostgresError.self) {
                try await PostgresConnection.connect(configuration)
            }
            #expect(refused?.kind == .timeout)
            #expect(start.duration(to: .now) < .seconds(8))
            try cluster.setFrozen(false)
        }
    }

    @Test func `cancelling while connecting ends the attempt`() async throws {
        try await TestCluster.withCluster { cluster in
            try cluster.setFrozen(true)
            let configuration = cluster.configuration()
            let task = Task { try await PostgresConnection.connect(configuration) }
            task.cancel()
            let error = await #expect(throws: PostgresError.self) { _ = try await task.value }
            #expect(error?.kind == .cancelled)
            try cluster.setFrozen(false)
        }
    }
}
