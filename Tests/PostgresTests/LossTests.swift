import EmbeddedPostgres
import Postgres
import Runtime
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(3))) struct LossTests {
    @Test func `a session killed at work yields 57P01, the first of its two results`() async throws {
        try await TestDatabase.withDatabase(.empty) { database in
            let (victim, killer) = (try await database.connect(), try await database.connect())
            let task = Task { try await victim.query("select pg_sleep(600)") }
            try await killer.waitUntil(
                "select query like '%pg_sleep(600)%' from pg_stat_activity where pid = $1", ["\(victim.backendPID)"])
            _ = try await killer.query("select pg_terminate_backend($1)", ["\(victim.backendPID)"])
            let error = await #expect(throws: PostgresError.self) { try await task.value }
            #expect(error?.sqlState == "57P01")
            #expect(error?.isConnectionLost == true)
            #expect(error?.isTransient == true)
            #expect(!victim.isOpen)
            let later = await #expect(throws: PostgresError.self) { try await victim.query("select 1") }
            #expect(later?.sqlState == "57P01")
            #expect(later?.attempted == "query")
            await killer.close()
        }
    }

    @Test func `a session killed while idle shows by itself, with the server's reason`() async throws {
        try await TestDatabase.withDatabase(.empty) { database in
            let (victim, killer) = (try await database.connect(), try await database.connect())
            _ = try await killer.query("select pg_terminate_backend($1)", ["\(victim.backendPID)"])
            while victim.isOpen { await Task.yield() }
            let error = await #expect(throws: PostgresError.self) { try await victim.query("select 1") }
            #expect(error?.sqlState == "57P01")
            #expect(error?.isConnectionLost == true)
            await killer.close()
        }
    }

    @Test(arguments: [false, true])
    func `a restarted server is noticed and reached again`(immediate: Bool) async throws {
        try await TestCluster.withCluster { cluster in
            let connection = try await PostgresConnection.connect(cluster.configuration())
            try await cluster.restart(immediate: immediate)
            while connection.isOpen { await Task.yield() }
            let again = try await PostgresConnection.connect(
                cluster.configuration(), retrying: Backoff(base: .milliseconds(10)), limit: .seconds(20))
            #expect(try await again.query("select 1").scalar == "1")
            await again.close()
        }
    }

    @Test func `a killed server is noticed at work and at rest, and reached again once it is back`() async throws {
        try await TestCluster.withCluster { cluster in
            let configuration = cluster.configuration()
            let idle = try await PostgresConnection.connect(configuration)
            let busy = try await PostgresConnection.connect(configuration)
            let task = Task { try await busy.query("select pg_sleep(600)") }
            try await idle.waitUntil(
                "select query like '%pg_sleep(600)%' from pg_stat_activity where pid = $1", ["\(busy.backendPID)"])
            try await cluster.killPostmaster()
            let error = await #expect(throws: PostgresError.self) { try await task.value }
            #expect(error?.isConnectionLost == true)
            while idle.isOpen { await Task.yield() }
            let refused = await #expect(throws: PostgresError.self) {
                try await PostgresConnection.connect(configuration)
            }
            #expect(refused?.kind == .connection)
            #expect(refused?.isTransient == true)
            async let again = PostgresConnection.connect(
                configuration, retrying: Backoff(base: .milliseconds(10)), limit: .seconds(20))
            try await cluster.startServer()
            let connection = try await again
            #expect(try await connection.query("select 1").scalar == "1")
            await connection.close()
        }
    }

    @Test func `a full server is told by its code, and reached once there is room`() async throws {
        try await TestCluster.withCluster(
            .init(settings: ["max_connections": "3", "superuser_reserved_connections": "0", "max_wal_senders": "0"])
        ) { cluster in
            let configuration = cluster.configuration()
            var held: [PostgresConnection] = []
            for _ in 1...3 { held.append(try await PostgresConnection.connect(configuration)) }
            let error = await #expect(throws: PostgresError.self) {
                try await PostgresConnection.connect(configuration)
            }
            #expect(error?.sqlState == "53300")
            #expect(error?.isTransient == true)
            async let late = PostgresConnection.connect(
                configuration, retrying: Backoff(base: .milliseconds(10)), limit: .seconds(20))
            await held.removeLast().close()
            #expect(try await late.query("select 1").scalar == "1")
        }
    }

    @Test func `a session killed in the middle of COPY is lost, and says so`() async throws {
        try await TestDatabase.withDatabase(.empty) { database in
            let (victim, killer) = (try await database.connect(), try await database.connect())
            try await killer.execute("create table t (i int)")
            let pid = victim.backendPID
            let hasBegun = Lock(false)
            let task = Task {
                try await victim.copyIn("copy t from stdin") {
                    hasBegun.withLock { $0 = true }
                    return Array("1\n".utf8)
                }
            }
            while !hasBegun.withLock({ $0 }) { await Task.yield() }
            _ = try await killer.query("select pg_terminate_backend($1)", ["\(pid)"])
            let error = await #expect(throws: PostgresError.self) { try await task.value }
            #expect(error?.isConnectionLost == true)
            #expect(error?.sqlState == "57P01", "\(String(reflecting: error))")
            #expect(!victim.isOpen)
            #expect(try await killer.query("select count(*) from t").scalar == "0")
            await killer.close()
        }
    }

    @Test func `a failure that will not heal is not tried again`() async throws {
        try await TestDatabase.withDatabase(.empty) { database in
            let configuration = PostgresConfiguration(
                conninfo: database.cluster.conninfo(database: "no such database"), applicationName: "t")
            let error = await #expect(throws: PostgresError.self) {
                try await PostgresConnection.connect(configuration, retrying: Backoff(), limit: .seconds(600))
            }
            #expect(error?.sqlState == "3D000")
            #expect(error?.kind == .connection)
            #expect(error?.message.contains("\"no such database\" does not exist") == true)
        }
    }
}
