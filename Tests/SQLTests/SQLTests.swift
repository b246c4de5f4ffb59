import Foundation
import TestSupport
import Testing

/// Every file of Tests/sql is a test: pgTAP on a clone of the migrated database, sent by psql.
@Suite struct SQLTests {
    /// The folder Tests/sql.
    private static let folder = URL(fileURLWithPath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().appending(path: "sql")

    /// The names of its files.
    static let files: [String] = {
        let found = try? FileManager.default.contentsOfDirectory(atPath: folder.path)
        return (found ?? []).filter { $0.hasSuffix(".sql") }.sorted()
    }()

    @Test func thereAreFilesToRun() {
        #expect(!Self.files.isEmpty)
    }

    @Test(arguments: files) func passes(file: String) async throws {
        try await TestDatabase.withDatabase(.migratedWithTAP) { database in
            let run = try await TAPRun.of(Self.folder.appending(path: file), conninfo: database.conninfo)
            let faults = run.faults.joined(separator: "\n")
            #expect(faults.isEmpty, "Tests/sql/\(file):\n\(faults)\n--- whole output\n\(run.output)")
        }
    }
}
