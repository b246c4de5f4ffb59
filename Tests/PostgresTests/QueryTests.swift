import EmbeddedPostgres
import Postgres
import Runtime
import TestSupport
import Testing

@Suite struct QueryTests {
    @Test func `parameters go as values, never as text of the statement`() async throws {
        try await TestDatabase.withDatabase(.empty) { database in
            let connection = try await database.connect()
            let hostile = "'; drop table x; -- \"ü\n\\"
            let rows = try await connection.query("select $1::text as a, $2::int as b, $3 as c", [hostile, "42", nil])
            #expect(rows.columns == ["a", "b", "c"])
            let row = try rows.single()
            #expect(row["a"] == hostile)
            #expect(try row.decode("b", as: Int.self) == 42)
            #expect(try row.decodeIfPresent("c", as: String.self) == nil)
            #expect(row["no such column"] == nil)
            await connection.close()
        }
    }

    @Test func `rows carry their command tag, their count and all their values`() async throws {
        try await TestDatabase.withDatabase(.empty) { database in
            let connection = try await database.connect()
            try await connection.execute("create table t (i int, b bool, f float8)")
            let inserted = try await connection.query(
                "insert into t select i, i > 1, i / 2.0 from generate_series(1, 3) i")
            #expect(inserted.commandTag == "INSERT 0 3")
            #expect(inserted.affectedRows == 3)
            #expect(inserted.isEmpty)
            let rows = try await connection.query("select * from t order by i")
            #expect(try rows.map { try $0.decode("b", as: Bool.self) } == [false, true, true])
            #expect(try rows.map { try $0.decode("f", as: Double.self) } == [0.5, 1, 1.5])
            #expect(rows.scalar == "1")
            #expect(try await connection.query("select where false").isEmpty)
            await connection.close()
        }
    }

    @Test func `a value of another type is refused by the name of its column`() async throws {
        try await TestDatabase.withDatabase(.empty) { database in
            let connection = try await database.connect()
            let row = try await connection.query("select 'hush' as a, null as b").single()
            let error = #expect(throws: PostgresError.self) { try row.decode("a", as: Int.self) }
            #expect(error?.message == "column a is no Int")
            let null = #expect(throws: PostgresError.self) { try row.decode("b", as: Int.self) }
            #expect(null?.message == "column b is null")
            let missing = #expect(throws: PostgresError.self) { try row.decode("x", as: Int.self) }
            #expect(missing?.message == "column x is not in the result")
            await connection.close()
        }
    }

    @Test func `a script runs whole or not at all`() async throws {
        try await TestDatabase.withDatabase(.empty) { database in
            let connection = try await database.connect()
            let error = await #expect(throws: PostgresError.self) {
                try await connection.execute("create table a (); select 1/0; create table b ()")
            }
            #expect(error?.sqlState == "22012")
            #expect(error?.kind == .server)
            #expect(error?.isConnectionLost == false)
            #expect(try await connection.query("select to_regclass('a'), to_regclass('b')").single()[0] == nil)
            try await connection.execute("begin")
            #expect(connection.isInTransaction)
            try await connection.execute("commit")
            #expect(!connection.isInTransaction)
            await connection.close()
        }
    }

    @Test func `an error tells where, why and what to do`() async throws {
        try await TestDatabase.withDatabase(.empty) { database in
            let connection = try await database.connect()
            let syntax = await #expect(throws: PostgresError.self) { try await connection.query("select 1 frm x") }
            #expect(syntax?.sqlState == "42601")
            #expect(syntax?.position == 14)
            let raised = await #expect(throws: PostgresError.self) {
                try await connection.execute(
                    """
                    do $$ begin raise exception using errcode = 'PV001', message = 'm', detail = 'd', hint = 'Do h.'; end $$
                    """)
            }
            #expect(raised?.sqlState == "PV001")
            #expect(raised?.message == "m")
            #expect(raised?.detail == "d")
            #expect(raised?.hint == "Do h.")
            #expect(raised?.context?.contains("PL/pgSQL") == true)
            await connection.close()
        }
    }

    @Test(arguments: ["copy (select 1) to stdout", "copy t from stdin"])
    func `COPY through query is refused and leaves the session usable`(statement: String) async throws {
        try await TestDatabase.withDatabase(.empty) { database in
            let connection = try await database.connect()
            try await connection.execute("create table t (i int)")
            let error = await #expect(throws: PostgresError.self) { try await connection.query(statement) }
            #expect(error?.kind == .usage || error?.sqlState == "57014")
            await #expect(throws: PostgresError.self) { try await connection.execute(statement) }
            #expect(try await connection.query("select count(*) from t").scalar == "0")
            await connection.close()
        }
    }

    @Test func `a parameter with a zero byte is refused, not cut`() async throws {
        try await TestDatabase.withDatabase(.empty) { database in
            let connection = try await database.connect()
            let error = await #expect(throws: PostgresError.self) {
                try await connection.query("select $1", ["a\u{0}b"])
            }
            #expect(error?.kind == .usage)
            #expect(try await connection.query("select $1", ["ab"]).scalar == "ab")
            await connection.close()
        }
    }

    @Test func `calls from many tasks queue up on one session`() async throws {
        try await TestDatabase.withDatabase(.empty) { database in
            let connection = try await database.connect()
            let sum = try await withThrowingTaskGroup(of: Int.self) { group in
                for number in 1...200 {
                    group.addTask { try await connection.query("select $1::int as n", ["\(number)"])[0].decode("n") }
                }
                return try await group.reduce(0, +)
            }
            #expect(sum == 20_100)
            await connection.close()
        }
    }

    @Test func `notices go to their receiver`() async throws {
        try await TestDatabase.withDatabase(.empty) { database in
            let (notices, continuation) = AsyncStream<PostgresNotice>.makeStream()
            let configuration = PostgresConfiguration(conninfo: database.conninfo, applicationName: "t") { notice in
                continuation.yield(notice)
            }
            let connection = try await PostgresConnection.connect(configuration)
            try await connection.execute("do $$ begin raise warning 'look'; end $$")
            await connection.close()
            let first = await notices.first { _ in true }
            #expect(first?.severity == "WARNING")
            #expect(first?.message == "look")
            #expect(first?.sqlState == "01000")
        }
    }

    @Test func `a closed connection refuses further calls`() async throws {
        try await TestDatabase.withDatabase(.empty) { database in
            let connection = try await database.connect()
            #expect(connection.isOpen)
            #expect(connection.backendPID > 0)
            #expect(connection.serverVersion / 10_000 == database.cluster.majorVersion)
            await connection.close()
            #expect(!connection.isOpen)
            let error = await #expect(throws: PostgresError.self) { try await connection.query("select 1") }
            #expect(error?.kind == .connection)
            #expect(error?.isConnectionLost == true)
        }
    }

    @Test func `letting go of a connection closes its session`() async throws {
        try await TestDatabase.withDatabase(.empty) { database in
            let watcher = try await database.connect()
            var connection: PostgresConnection? = try await database.connect()
            let pid = try #require(connection?.backendPID)
            connection = nil
            try await watcher.waitUntil("select count(*) = 0 from pg_stat_activity where pid = $1", ["\(pid)"])
            await watcher.close()
        }
    }
}

/// What a statement would give, asked without running it.
@Suite struct DescribeTests {
    @Test func `a statement's columns are told without running it`() async throws {
        try await TestDatabase.withDatabase(.empty) { database in
            let connection = try await database.connect()
            try await connection.execute("create table visits (name text)")
            let columns = try await connection.describe(
                "insert into visits values ('a') returning name, length(name) as size")
            #expect(columns == ["name", "size"])
            #expect(try await connection.describe("select") == [])
            #expect(try await connection.query("select count(*) from visits").scalar == "0")
            let error = await #expect(throws: PostgresError.self) {
                try await connection.describe("select missing from visits")
            }
            #expect(error?.sqlState == "42703")
            #expect(try await connection.query("select 1").scalar == "1")
            await connection.close()
        }
    }

    @Test func `a password given apart wins over the string's, and a database too`() async throws {
        try await TestDatabase.withDatabase(.empty) { database in
            let connection = try await PostgresConnection.connect(
                PostgresConfiguration(
                    conninfo: database.cluster.conninfo(database: "nowhere"), overrides: ["dbname": database.name],
                    password: SecretBytes(Array("unused".utf8)), applicationName: "test"))
            #expect(try await connection.query("select current_database()").scalar == database.name)
            await connection.close()
        }
    }

    @Test(
        arguments: [
            ("host=a password=b", true), ("postgres://u:p@h/d", true), ("postgres://h/d?password=p", true),
            ("host=a sslpassword=b", true), ("host=a user=password", false), ("postgres://u@h/d", false),
        ])
    func `a password inside a connection string is seen`(text: String, holdsSecret: Bool) throws {
        #expect(try ConnectionText(text).holdsSecret == holdsSecret)
    }

    @Test(arguments: ["host", "host='a", "nonsense=1", "postgres://[", ""])
    func `a malformed connection string is not repeated`(text: String) {
        let error = #expect(throws: PostgresError.self) { try ConnectionText(text) }
        #expect(error?.kind == .usage)
        #expect(error?.message == "malformed connection string")
    }
}
