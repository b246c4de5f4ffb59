import Glibc
import Postgres
import Runtime
import TestSupport
import Testing

@testable import EmbeddedPostgres

@Suite(.timeLimit(.minutes(3))) struct GuardianTests {
    @Test func `a temporary cluster dies with its killed parent, and its folder goes`() async throws {
        let result = await #expect(processExitsWith: .signal(SIGKILL), observing: [\.standardOutputContent]) {
            let cluster = try await EmbeddedCluster.start()
            print("cluster \(cluster.directory) \(cluster.postmasterPID ?? 0)")
            fflush(nil)
            kill(getpid(), SIGKILL)
        }
        let words = try #require(Self.words(result))
        let pid = try #require(words.last.flatMap { Int32($0) })
        #expect(pid > 0)
        #expect(await Self.eventually { access(words[1], F_OK) == -1 && isGone(pid) })
    }

    @Test func `what a killed guardian left is swept by the next cluster`() async throws {
        let result = await #expect(processExitsWith: .signal(SIGKILL), observing: [\.standardOutputContent]) {
            let cluster = try await EmbeddedCluster.start()
            print("cluster \(cluster.directory) \(cluster.postmasterPID ?? 0)")
            fflush(nil)
            cluster.guardian.child.signal(SIGKILL)
            _ = await cluster.guardian.child.wait()
            kill(getpid(), SIGKILL)
        }
        let words = try #require(Self.words(result))
        let pid = try #require(words.last.flatMap { Int32($0) })
        try await TestCluster.withCluster { _ in
            #expect(await Self.eventually { access(words[1], F_OK) == -1 && isGone(pid) })
        }
    }

    @Test func `a persistent cluster keeps its data over stop, kill and restart`() async throws {
        let parent = try Folders.make()
        defer { Folders.remove(parent) }
        let folder = parent + "/cluster"
        let options = EmbeddedCluster.Options(storage: .persistent(directory: folder))
        let first = try await EmbeddedCluster.start(options)
        try await Self.execute("create table t as select 1 as i", first)
        let busy = await #expect(throws: EmbeddedPostgresError.self) { try await EmbeddedCluster.start(options) }
        #expect(busy?.message.contains("in use by another pgvigil") == true)
        await first.stop()
        #expect(access(folder, F_OK) == 0)
        await #expect(processExitsWith: .signal(SIGKILL)) { [folder = folder as String] in
            let cluster = try await EmbeddedCluster.start(.init(storage: .persistent(directory: folder)))
            let connection = try await PostgresConnection.connect(cluster.configuration())
            try await connection.execute("insert into t values (2)")
            kill(getpid(), SIGKILL)
        }
        #expect(await Self.eventually { access("\(folder)/data/postmaster.pid", F_OK) == -1 })
        let second = try await EmbeddedCluster.start(options)
        let connection = try await PostgresConnection.connect(second.configuration())
        #expect(try await connection.query("select string_agg(i::text, ',' order by i) from t").scalar == "1,2")
        #expect(try await connection.query("show fsync").scalar == "on")
        await connection.close()
        await second.stop()
    }

    @Test(arguments: [5, 300, 900, 1300])
    func `killed in the middle of its first start, a persistent cluster starts again`(milliseconds: Int) async throws {
        let parent = try Folders.make()
        defer { Folders.remove(parent) }
        let folder = parent + "/cluster"
        await #expect(processExitsWith: .signal(SIGKILL)) {
            [folder = folder as String, milliseconds = milliseconds as Int] in
            let start = Task { try await EmbeddedCluster.start(.init(storage: .persistent(directory: folder))) }
            try await Task.sleep(for: .milliseconds(milliseconds))
            kill(getpid(), SIGKILL)
            _ = try await start.value
        }
        let options = EmbeddedCluster.Options(storage: .persistent(directory: folder))
        var started: EmbeddedCluster?
        // The guardian of the killed one may still be at work: it holds the folder until it has stopped the server.
        #expect(
            await Self.eventually {
                started = try? await EmbeddedCluster.start(options)
                return started != nil
            })
        let cluster = try #require(started)
        try await Self.execute("select 1", cluster)
        await cluster.stop()
    }

    @Test func `data of another version is refused before it is touched`() async throws {
        let parent = try Folders.make()
        defer { Folders.remove(parent) }
        let options = EmbeddedCluster.Options(storage: .persistent(directory: parent + "/cluster"))
        let cluster = try await EmbeddedCluster.start(options)
        await cluster.stop()
        let file = try #require(fopen(parent + "/cluster/data/PG_VERSION", "we"))
        fputs("9\n", file)
        fclose(file)
        let error = await #expect(throws: EmbeddedPostgresError.self) { try await EmbeddedCluster.start(options) }
        #expect(error?.message.contains("is of PostgreSQL 9, the server is \(cluster.majorVersion)") == true)
        #expect(error?.remedy.contains("PGVIGIL_PG_BIN") == true)
    }

    @Test func `a folder too deep for a socket gets its socket elsewhere`() async throws {
        let parent = try Folders.make()
        defer { Folders.remove(parent) }
        let folder = parent + "/" + String(repeating: "x", count: 90)
        let cluster = try await EmbeddedCluster.start(.init(storage: .persistent(directory: folder)))
        #expect(cluster.socketDirectory.utf8.count < 90)
        try await Self.execute("select 1", cluster)
        await cluster.stop()
        #expect(access(cluster.socketDirectory, F_OK) == -1)
    }

    private static func execute(_ script: String, _ cluster: EmbeddedCluster) async throws {
        let connection = try await PostgresConnection.connect(cluster.configuration())
        try await connection.execute(script)
        await connection.close()
    }

    /// The words of the line that the killed process printed.
    private static func words(_ result: ExitTest.Result?) -> [String]? {
        let text = String(decoding: result?.standardOutputContent ?? [], as: UTF8.self)
        return text.split(separator: "\n").first { $0.hasPrefix("cluster ") }?.split(separator: " ").map { String($0) }
    }

    /// Whether the condition becomes true within 20 seconds; others do the work meanwhile.
    private static func eventually(_ condition: () async -> Bool) async -> Bool {
        let end = ContinuousClock.now + .seconds(20)
        while ContinuousClock.now < end {
            if await condition() { return true }
            await Task.yield()
        }
        return false
    }
}
