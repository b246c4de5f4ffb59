import Glibc
import Postgres
import Runtime
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(3))) struct BulkTests {
    struct Enough: Error, Equatable {}

    @Test func `streaming a million rows keeps memory small`() async throws {
        try await TestDatabase.withDatabase(.empty) { database in
            let connection = try await database.connect()
            let before = residentBytes()
            let seen = Lock((count: 0, sum: 0))
            try await connection.stream(
                "select i, repeat('x', 50) as t from generate_series(1, 1000000) i"
            ) { row in
                let number = try row.decode("i", as: Int.self)
                seen.withLock { $0 = ($0.count + 1, $0.sum + number) }
            }
            let growth = residentBytes() - before
            print("streamed 1,000,000 rows, resident memory grew by \(growth / 1024) kB")
            #expect(seen.withLock { $0.count } == 1_000_000)
            #expect(seen.withLock { $0.sum } == 500_000_500_000)
            #expect(growth < 30_000_000)
            await connection.close()
        }
    }

    @Test func `rows that nobody wants are dropped as they come`() async throws {
        try await TestDatabase.withDatabase(.empty) { database in
            let conninfo = database.conninfo
            // In a process of its own: what was held meanwhile shows in the peak only, which other tests raise too.
            await #expect(processExitsWith: .success) { [conninfo = conninfo as String] in
                let configuration = PostgresConfiguration(conninfo: conninfo, applicationName: "t")
                let connection = try await PostgresConnection.connect(configuration)
                let before = try #require(Self.peakKilobytes())
                let returned = try await connection.run("select repeat('x', 200) from generate_series(1, 1000000)")
                let growth = try #require(Self.peakKilobytes()) - before
                #expect(returned == 1_000_000)
                #expect(growth < 30_000, "the peak grew by \(growth) kB")
                await connection.close()
            }
        }
    }

    @Test func `dropped rows are counted, their errors and limits told`() async throws {
        try await TestDatabase.withDatabase(.empty) { database in
            let connection = try await database.connect()
            #expect(try await connection.run("create table t (i int)") == 0)
            #expect(try await connection.run("insert into t select generate_series(1, 3) returning i") == 3)
            #expect(try await connection.run("update t set i = 0 where i > 1") == 2)
            let error = await #expect(throws: PostgresError.self) {
                try await connection.run("select 1 / (500 - i) from generate_series(1, 1000) i")
            }
            #expect(error?.sqlState == "22012")
            let late = await #expect(throws: PostgresError.self) {
                try await connection.run("select generate_series(1, 1000000000)", timeout: .milliseconds(100))
            }
            #expect(late?.kind == .timeout)
            #expect(try await connection.query("select count(*) from t").scalar == "3")
            await connection.close()
        }
    }

    @Test func `a reader that has enough ends the stream on the server`() async throws {
        try await TestDatabase.withDatabase(.empty) { database in
            let connection = try await database.connect()
            let seen = Lock(0)
            await #expect(throws: Enough()) {
                try await connection.stream("select generate_series(1, 1000000000) as i") { _ in
                    let count = seen.withLock { count in
                        count += 1
                        return count
                    }
                    if count == 10 { throw Enough() }
                }
            }
            #expect(seen.withLock { $0 } == 10)
            #expect(try await connection.query("select 1").scalar == "1")
            await connection.close()
        }
    }

    @Test func `an error in the middle of a stream comes after the rows before it`() async throws {
        try await TestDatabase.withDatabase(.empty) { database in
            let connection = try await database.connect()
            let seen = Lock(0)
            let error = await #expect(throws: PostgresError.self) {
                try await connection.stream("select 1 / (500 - i) from generate_series(1, 1000) i") { _ in
                    seen.withLock { $0 += 1 }
                }
            }
            #expect(error?.sqlState == "22012")
            #expect(seen.withLock { $0 } == 499)
            await connection.close()
        }
    }

    @Test func `a stream obeys its deadline although rows never stop coming`() async throws {
        try await TestDatabase.withDatabase(.empty) { database in
            let connection = try await database.connect()
            let error = await #expect(throws: PostgresError.self) {
                try await connection.stream(
                    "select generate_series(1, 1000000000) as i", timeout: .milliseconds(100)
                ) { _ in }
            }
            #expect(error?.kind == .timeout)
            #expect(try await connection.query("select 1").scalar == "1")
            await connection.close()
        }
    }

    @Test func `COPY in takes more than it may hold back, with bounded memory`() async throws {
        try await TestDatabase.withDatabase(.empty) { database in
            let connection = try await database.connect()
            try await connection.execute("create unlogged table t (i int, t text)")
            let line = "\t" + String(repeating: "y", count: 90) + "\n"
            let next = Lock(0)
            let before = residentBytes()
            let copied = try await connection.copyIn("copy t from stdin") {
                let start = next.withLock { next in
                    defer { next += 1000 }
                    return next
                }
                guard start < 500_000 else { return nil }
                return (start..<start + 1000).flatMap { Array("\($0)\(line)".utf8) }
            }
            let growth = residentBytes() - before
            print("copied 48 MB in, resident memory grew by \(growth / 1024) kB")
            #expect(copied == 500_000)
            #expect(growth < 30_000_000)
            #expect(try await connection.query("select sum(i) from t").scalar == "124999750000")
            await connection.close()
        }
    }

    @Test func `a source that fails stores nothing and keeps the session`() async throws {
        try await TestDatabase.withDatabase(.empty) { database in
            let connection = try await database.connect()
            try await connection.execute("create table t (i int)")
            let calls = Lock(0)
            await #expect(throws: Enough()) {
                try await connection.copyIn("copy t from stdin") {
                    let call = calls.withLock { calls in
                        calls += 1
                        return calls
                    }
                    if call == 3 { throw Enough() }
                    return Array("1\n".utf8)
                }
            }
            #expect(try await connection.query("select count(*) from t").scalar == "0")
            await connection.close()
        }
    }

    @Test func `a bad row is the server's error and keeps the session`() async throws {
        try await TestDatabase.withDatabase(.empty) { database in
            let connection = try await database.connect()
            try await connection.execute("create table t (i int)")
            let error = await #expect(throws: PostgresError.self) {
                let lines = Lock(["1\n", "x\n", "3\n"])
                try await connection.copyIn("copy t from stdin") {
                    lines.withLock { $0.isEmpty ? nil : Array($0.removeFirst().utf8) }
                }
            }
            #expect(error?.sqlState == "22P02")
            #expect(error?.attempted == "copy in")
            let notCopy = await #expect(throws: PostgresError.self) {
                try await connection.copyIn("select 1") { nil }
            }
            #expect(notCopy?.kind == .usage)
            #expect(try await connection.query("select count(*) from t").scalar == "0")
            await connection.close()
        }
    }

    @Test func `COPY in that waits for a lock can be cancelled`() async throws {
        try await TestDatabase.withDatabase(.empty) { database in
            let (connection, blocker) = (try await database.connect(), try await database.connect())
            try await blocker.execute("create table t (i int)")
            try await blocker.execute("begin; lock table t")
            let task = Task { try await connection.copyIn("copy t from stdin") { nil } }
            try await blocker.waitUntil(
                "select wait_event_type = 'Lock' from pg_stat_activity where pid = $1", ["\(connection.backendPID)"])
            task.cancel()
            let error = await #expect(throws: PostgresError.self) { try await task.value }
            #expect(error?.kind == .cancelled)
            try await blocker.execute("rollback")
            #expect(try await connection.query("select count(*) from t").scalar == "0")
            for connection in [connection, blocker] { await connection.close() }
        }
    }

    @Test func `a COPY out that nobody asked for is ended at once, however long it would go on`() async throws {
        try await TestDatabase.withDatabase(.empty) { database in
            let connection = try await database.connect()
            let start = Monotonic.now()
            let error = await #expect(throws: PostgresError.self) {
                try await connection.run(
                    "copy (select repeat('x', 9000), pg_sleep(0.1) from generate_series(1, 6000)) to stdout")
            }
            #expect(error?.kind == .usage)
            #expect(start.duration(to: Monotonic.now()) < .seconds(60), "600 seconds of rows are not read away")
            #expect(try await connection.query("select 1").scalar == "1")
            await connection.close()
        }
    }

    @Test func `COPY out hands over every byte`() async throws {
        try await TestDatabase.withDatabase(.empty) { database in
            let connection = try await database.connect()
            let bytes = Lock([UInt8]())
            try await connection.copyOut("copy (select i from generate_series(1, 1000) i) to stdout") { part in
                bytes.withLock { $0 += Array(part) }
            }
            #expect(bytes.withLock { $0 } == Array((1...1000).map { "\($0)\n" }.joined().utf8))
            await #expect(throws: Enough()) {
                try await connection.copyOut("copy (select generate_series(1, 100000000)) to stdout") { _ in
                    throw Enough()
                }
            }
            #expect(try await connection.query("select 1").scalar == "1")
            await connection.close()
        }
    }

    /// The most memory that was ever resident in this process.
    private static func peakKilobytes() -> Int? {
        guard let file = fopen("/proc/self/status", "re") else { return nil }
        defer { fclose(file) }
        var line = [CChar](repeating: 0, count: 256)
        while fgets(&line, Int32(line.count), file) != nil {
            let fields = String(decoding: line.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
                .split { $0.isWhitespace }
            if fields.count > 1, fields[0] == "VmHWM:" { return Int(fields[1]) }
        }
        return nil
    }

    /// The resident memory of this process.
    private func residentBytes() -> Int {
        guard let file = fopen("/proc/self/statm", "re") else { return 0 }
        defer { fclose(file) }
        var line = [CChar](repeating: 0, count: 128)
        guard fgets(&line, Int32(line.count), file) != nil else { return 0 }
        let fields = String(decoding: line.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
            .split(separator: " ")
        return (fields.count > 1 ? Int(fields[1]) ?? 0 : 0) * 4096
    }
}
