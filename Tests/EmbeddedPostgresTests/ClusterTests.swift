import Glibc
import Postgres
import TestSupport
import Testing

@testable import EmbeddedPostgres

@Suite struct ClusterTests {
    @Test func `a private cluster listens on its socket alone and runs unprivileged`() async throws {
        let cluster = try await TestCluster.shared()
        let connection = try await PostgresConnection.connect(cluster.configuration())
        let row = try await connection.query(
            """
            select current_setting('listen_addresses') as addresses, current_setting('unix_socket_directories') as sockets,
                   current_setting('server_version_num')::int / 10000 as version,
                   current_setting('shared_preload_libraries') as libraries
            """
        ).single()
        #expect(row["addresses"] == "")
        #expect(row["sockets"] == cluster.socketDirectory)
        #expect(try row.decode("version", as: Int.self) == cluster.majorVersion)
        #expect(row["libraries"] == "pg_stat_statements")
        #expect(cluster.socketDirectory.utf8.count + "/.s.PGSQL.5432".utf8.count <= 107)
        let pid = try #require(cluster.postmasterPID)
        var facts = stat()
        #expect(stat("/proc/\(pid)", &facts) == 0)
        #expect(facts.st_uid != 0)
        #expect(geteuid() == 0 || facts.st_uid == geteuid())
        await connection.close()
    }

    @Test func `stopping removes the folder and ends the server`() async throws {
        let cluster = try await EmbeddedCluster.start()
        let pid = try #require(cluster.postmasterPID)
        await cluster.stop()
        #expect(access(cluster.directory, F_OK) == -1)
        #expect(isGone(pid))
    }

    @Test func `a folder without a server is refused with a remedy`() async {
        let error = await #expect(throws: EmbeddedPostgresError.self) {
            try await EmbeddedCluster.start(.init(environment: ["PGVIGIL_PG_BIN": "/usr/share"]))
        }
        #expect(error?.message == "PGVIGIL_PG_BIN=/usr/share holds no PostgreSQL server")
        #expect(error?.remedy.contains("/usr/lib/postgresql/15/bin") == true)
    }

    @Test func `settings of the caller win, and a bad one is told from the log`() async throws {
        let cluster = try await EmbeddedCluster.start(.init(settings: ["work_mem": "7MB", "application_name": "it's"]))
        let connection = try await PostgresConnection.connect(cluster.configuration())
        #expect(try await connection.query("show work_mem").scalar == "7MB")
        await connection.close()
        await cluster.stop()
        let error = await #expect(throws: EmbeddedPostgresError.self) {
            try await EmbeddedCluster.start(.init(settings: ["work_mem": "much"]))
        }
        #expect(error?.output.contains("invalid value for parameter \"work_mem\"") == true)
    }

    @Test func `many builders of one initial data directory end with one`() async throws {
        let cache = try Folders.make()
        defer { Folders.remove(cache) }
        let clusters = try await withThrowingTaskGroup(of: EmbeddedCluster.self) { group in
            for _ in 1...4 { group.addTask { try await EmbeddedCluster.start(.init(cacheDirectory: cache + "/c")) } }
            return try await group.reduce(into: []) { $0.append($1) }
        }
        for cluster in clusters {
            let connection = try await PostgresConnection.connect(cluster.configuration())
            #expect(try await connection.query("select 1").scalar == "1")
            await connection.close()
            await cluster.stop()
        }
        let kept = Folders.listing(cache + "/c")
        #expect(kept.filter { $0 != "lock" }.count == 1, "\(kept)")
    }

    @Test func `the log's end is as long as asked for`() async throws {
        try await TestCluster.withCluster { cluster in
            let connection = try await PostgresConnection.connect(cluster.configuration())
            for number in 1...3 { try? await connection.execute("select \(number) / 0") }
            await connection.close()
            #expect(cluster.logTail(lines: 1).hasSuffix("STATEMENT:  select 3 / 0"))
            #expect(cluster.logTail(lines: 2).split(separator: "\n").count == 2)
        }
    }
}

/// Whether no such process is left; one that only waits to be collected counts as gone.
func isGone(_ pid: Int32) -> Bool {
    guard let file = fopen("/proc/\(pid)/stat", "re") else { return true }
    defer { fclose(file) }
    var line = [CChar](repeating: 0, count: 256)
    guard fgets(&line, Int32(line.count), file) != nil else { return true }
    let text = String(decoding: line.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    return text.split(separator: ")").last?.hasPrefix(" Z") ?? true
}
