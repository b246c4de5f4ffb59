import Postgres
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(3))) struct ListenTests {
    @Test(arguments: ["plain", "needs \"quotes\"", "Ümlaut"])
    func `notifications arrive in order with payload and sender`(channel: String) async throws {
        try await TestDatabase.withDatabase(.empty) { database in
            let (listener, sender) = (try await database.connect(), try await database.connect())
            var arriving = try await listener.listen(channel).makeAsyncIterator()
            for number in 1...3 { _ = try await sender.query("select pg_notify($1, $2)", [channel, "\(number)"]) }
            for number in 1...3 {
                let next = try await arriving.next()
                #expect(next?.channel == channel)
                #expect(next?.payload == "\(number)")
                #expect(next?.pid == sender.backendPID)
            }
            for connection in [listener, sender] { await connection.close() }
        }
    }

    @Test func `the sequence ends with the error when the session is killed`() async throws {
        try await TestDatabase.withDatabase(.empty) { database in
            let (listener, killer) = (try await database.connect(), try await database.connect())
            let arriving = try await listener.listen("c")
            let reader = Task { for try await _ in arriving {} }
            _ = try await killer.query("select pg_terminate_backend($1)", ["\(listener.backendPID)"])
            let error = await #expect(throws: PostgresError.self) { try await reader.value }
            #expect(error?.sqlState == "57P01")
            #expect(error?.isConnectionLost == true)
            await killer.close()
        }
    }

    @Test func `the sequence ends quietly when the connection is closed or the reader cancelled`() async throws {
        try await TestDatabase.withDatabase(.empty) { database in
            let connection = try await database.connect()
            let arriving = try await connection.listen("c")
            let cancelled = Task { for try await _ in arriving {} }
            cancelled.cancel()
            try await cancelled.value
            let reader = Task { for try await _ in arriving {} }
            await connection.close()
            try await reader.value
        }
    }

    @Test func `statements and notifications share a session`() async throws {
        try await TestDatabase.withDatabase(.empty) { database in
            let connection = try await database.connect()
            var arriving = try await connection.listen("c").makeAsyncIterator()
            try await connection.execute("notify c, 'mine'")
            #expect(try await connection.query("select 1").scalar == "1")
            #expect(try await arriving.next()?.payload == "mine")
            await connection.close()
        }
    }
}
