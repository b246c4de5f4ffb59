import EmbeddedPostgres
import Postgres
import Runtime
import TestSupport
import Testing

@Suite struct PoolTests {
    @Test func `no more sessions are opened than the pool's size`() async throws {
        try await TestDatabase.withDatabase(.empty) { database in
            let pool = PostgresPool(database.configuration, size: 3)
            let pids = try await withThrowingTaskGroup(of: Int32.self) { group in
                for _ in 1...50 {
                    group.addTask {
                        try await pool.withConnection { connection in
                            _ = try await connection.query("select pg_sleep(0.001)")
                            return connection.backendPID
                        }
                    }
                }
                return try await group.reduce(into: Set()) { $0.insert($1) }
            }
            #expect((1...3).contains(pids.count))
            #expect(pool.openCount == pids.count)
            await pool.close()
            #expect(pool.openCount == 0)
        }
    }

    @Test func `a lost session is replaced`() async throws {
        try await TestDatabase.withDatabase(.empty) { database in
            let pool = PostgresPool(database.configuration, size: 1)
            let killer = try await database.connect()
            let first = try await pool.withConnection { $0.backendPID }
            _ = try await killer.query("select pg_terminate_backend($1, 5000)", ["\(first)"])
            let second = try await pool.withConnection { connection in
                let rows = try await connection.query("select 1")
                #expect(rows.scalar == "1")
                return connection.backendPID
            }
            #expect(first != second)
            await #expect(throws: PostgresError.self) {
                try await pool.withConnection { try await $0.execute("select pg_terminate_backend(pg_backend_pid())") }
            }
            #expect(try await pool.withConnection { try await $0.query("select 2").scalar } == "2")
            await pool.close()
            await killer.close()
        }
    }

    @Test func `a transaction left open is rolled back, and the reset script runs`() async throws {
        try await TestDatabase.withDatabase(.empty) { database in
            let pool = PostgresPool(database.configuration, size: 1, resetScript: "discard all")
            try await pool.withConnection { try await $0.execute("begin; create table t (); set work_mem = '1MB'") }
            try await pool.withConnection { connection in
                #expect(!connection.isInTransaction)
                let row = try await connection.query(
                    "select to_regclass('t') is null as gone, current_setting('work_mem') <> '1MB' as reset"
                ).single()
                #expect(row["gone"] == "t")
                #expect(row["reset"] == "t")
            }
            await pool.close()
        }
    }

    @Test func `one who waits in line can be cancelled, and the next gets the turn`() async throws {
        try await TestDatabase.withDatabase(.empty) { database in
            let pool = PostgresPool(database.configuration, size: 1)
            try await pool.withConnection { _ in
                let waiting = Task { try await pool.withConnection { $0.backendPID } }
                waiting.cancel()
                let error = await #expect(throws: PostgresError.self) { _ = try await waiting.value }
                #expect(error?.kind == .cancelled)
            }
            #expect(try await pool.withConnection { try await $0.query("select 1").scalar } == "1")
            await pool.close()
            let closed = await #expect(throws: PostgresError.self) { try await pool.withConnection { _ in } }
            #expect(closed?.message == "the pool is closed")
        }
    }

    @Test func `when no session can be opened, all in line are told`() async throws {
        let configuration = PostgresConfiguration(conninfo: "host=/nowhere/at/all", applicationName: "t")
        let pool = PostgresPool(configuration, size: 1, openLimit: .milliseconds(50))
        let failures = await withTaskGroup(of: Bool.self) { group in
            for _ in 1...3 {
                group.addTask {
                    do { try await pool.withConnection { _ in } } catch { return true }
                    return false
                }
            }
            return await group.reduce(0) { $0 + ($1 ? 1 : 0) }
        }
        #expect(failures == 3)
        #expect(pool.openCount == 0)
        await pool.close()
    }
}
