import EmbeddedPostgres
import Postgres
import Runtime
import TestSupport
import Testing

@Suite struct TestDatabaseTests {
    @Test func `a database of the migrated template is pgvigil freshly installed`() async throws {
        try await TestDatabase.withDatabase { database in
            let connection = try await database.connect()
            #expect(try await connection.query("select count(*) from monitoring.tenants").scalar == "1")
            await connection.close()
        }
    }

    @Test func `pgTAP is there where it was asked for`() async throws {
        try await TestDatabase.withDatabase(.migratedWithTAP) { database in
            let connection = try await database.connect()
            try await connection.execute("set search_path = tap, pg_catalog")
            let rows = try await connection.query("select plan(1) union all select ok(true)")
            #expect(rows.map { $0[0] } == ["1..1", "ok 1"])
            await connection.close()
        }
    }

    @Test func `a connection as a role has that role's rights and no more`() async throws {
        try await TestDatabase.withDatabase { database in
            let connection = try await database.connect(as: "monitoring_reader")
            let row = try await connection.query("select current_user as c, session_user as s").single()
            #expect(row["c"] == "monitoring_reader")
            #expect(row["s"] == "monitoring_reader")
            let error = await #expect(throws: PostgresError.self) { try await connection.execute("create table x ()") }
            #expect(error?.sqlState == "42501")
            await connection.close()
        }
    }

    @Test func `databases are cloned quickly and gone afterwards`() async throws {
        let cluster = try await TestCluster.shared()
        var times: [Duration] = []
        var names: [String] = []
        for _ in 1...10 {
            let start = ContinuousClock.now
            try await TestDatabase.withDatabase { database in
                times.append(start.duration(to: .now))
                names.append(database.name)
            }
        }
        times.sort()
        print("clone of the migrated template: median \(times[5]), slowest \(times[9])")
        let connection = try await PostgresConnection.connect(cluster.configuration())
        let left = try await connection.query(
            "select datname from pg_database where datname = any ($1)", ["{\(names.joined(separator: ","))}"])
        #expect(left.isEmpty)
        await connection.close()
    }

    private static let handled = Lock([String]())

    @Test(
        .compactMapIssues { issue in
            guard issue.comments.first == "on purpose" else { return issue }
            handled.withLock { $0 = issue.comments.map { $0.rawValue } }
            return nil
        })
    func `a failure carries the end of the server's log`() async throws {
        try await TestDatabase.withDatabase(.empty) { database in
            let connection = try await database.connect()
            try? await connection.execute("select 'the_needle' / 0")
            await connection.close()
            Issue.record("on purpose")
        }
        let comments = Self.handled.withLock { $0 }
        #expect(comments.contains { $0.contains("the_needle") })
    }

    @Test func `a server's error that ends a test is told with all that the server said`() async throws {
        let error = await #expect(throws: (any Error).self) {
            try await TestDatabase.withDatabase(.empty) { database in
                let connection = try await database.connect()
                try await connection.execute("do $$ begin raise exception 'why' using hint = 'Look here.'; end $$")
            }
        }
        let text = "\(try #require(error))"
        for part in ["why", "Look here.", "The end of the server's log"] { #expect(text.contains(part)) }
    }
}
