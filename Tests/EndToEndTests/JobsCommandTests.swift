import Postgres
import Runtime
import TestSupport
import Testing

/// `pgvigil jobs` on a file with mistakes of every kind.
@Suite struct JobsCommandTests {
    /// A schedule that no field allows, an unknown key, a name given twice, a zone that is not there.
    private static let faulty = """
        version: 1
        jobs:
          - name: a
            schedule: "61 * * * *"
            sql: select 1
            tiemout: 5s
          - name: a
            schedule: "@daily"
            sql: select 1
          - name: b
            schedule: "@daily"
            sql: select 1
            time_zone: Mars/Olympus

        """

    private static func expectedLines(_ path: String) -> [String] {
        [
            "\(path):3:5: job \"a\": minute field \"61\": 61 is outside 0-59",
            "\(path):6:5: jobs[0]: unknown key \"tiemout\", did you mean \"timeout\"?",
            "\(path):7:11: jobs[1].name: \"a\" in line 7 is already the name of a job in line 3",
            "\(path):10:5: job \"b\": unknown time zone \"Mars/Olympus\"",
        ]
    }

    @Test(
        "every fault of a file is told at once with its line, those the database finds among them, and nothing changes",
        arguments: [["jobs", "validate"], ["jobs", "apply"], ["serve", "--listen", "127.0.0.1:0", "--jobs"]])
    func allFaults(words: [String]) async throws {
        let folder = try TemporaryFolder()
        let path = try folder.write(Self.faulty, to: "jobs.yml")
        try await TestDatabase.withDatabase { database in
            let report = try await CommandLineProgram.run(
                words + [path], environment: ["PGVIGIL_DSN": database.conninfo])
            #expect(report.ending != .exited(0))
            #expect(report.errors.split(separator: "\n").prefix(4).map(String.init) == Self.expectedLines(path))
            let connection = try await database.connect()
            let count = try await connection.query("select count(*) from monitoring.jobs").first?[0]
            await connection.close()
            #expect(count == "0")
        }
    }

    @Test("a job is paused, resumed and cancelled by the command line")
    func operates() async throws {
        try await TestDatabase.withDatabase { database in
            let connection = try await database.connect()
            _ = try await connection.query("select monitoring.schedule_job('tidy', '@daily', 'select 1')")
            _ = try await connection.query("select monitoring.run_job('tidy')")
            for (words, line) in [
                (["pause", "tidy", "--for", "2h", "--reason", "deploy"], "tidy is paused"),
                (["pause", "tidy"], "tidy is paused; it goes on after: pgvigil jobs resume tidy"),
                (["resume", "tidy"], "tidy goes on at its next slot"),
                (["resume", "tidy"], "tidy was not paused"),
                (["cancel", "tidy"], "open runs of tidy to be cancelled: 1; see: pgvigil jobs history tidy"),
                (["cancel", "tidy"], "no run of tidy is open"),
            ] {
                let report = try await CommandLineProgram.run(
                    ["jobs"] + words, environment: ["PGVIGIL_DSN": database.conninfo])
                #expect(report.ending == .exited(0), "\(report.errors)")
                #expect(report.lines.first.map { String($0) } == line)
            }
            await connection.close()
        }
    }

    @Test("without the database a file's own faults are told")
    func offline() async throws {
        let folder = try TemporaryFolder()
        let path = try folder.write(Self.faulty, to: "jobs.yml")
        let report = try await CommandLineProgram.run(["jobs", "validate", "--offline", path])
        #expect(
            report.errors.split(separator: "\n").prefix(2).map(String.init) == Array(Self.expectedLines(path)[1...2]))
        #expect(report.ending == .exited(1))
    }
}
