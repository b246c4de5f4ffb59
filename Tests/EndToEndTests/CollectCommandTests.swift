import Postgres
import Runtime
import TestSupport
import Testing

/// `pgvigil collect` as a person runs it.
@Suite struct CollectCommandTests {
    private func collect(_ database: Database, _ words: String...) async throws -> CommandLineProgram.Report {
        try await CommandLineProgram.run(["collect", "--dsn", database.conninfo] + words)
    }

    @Test("it runs every enabled collector and prints a line for each")
    func all() async throws {
        try await TestDatabase.withDatabase { database in
            let admin = try await database.connect()
            try await admin.execute(
                """
                create extension pg_stat_statements;
                update monitoring.collectors set is_enabled = false where name = 'io';
                """)
            let enabled = try await admin.query(
                "select name from monitoring.collectors where is_enabled order by name")
            await admin.close()
            let report = try await collect(database)
            #expect(report.ending == .exited(0), "\(report.errors)")
            let names = report.lines.dropFirst().compactMap { $0.split(separator: " ").first.map(String.init) }
            #expect(names.count > 8)
            #expect(names == enabled.map { $0["name"] ?? "" })
            #expect(report.lines.dropFirst().filter { !$0.isEmpty }.allSatisfy { $0.contains(" ok ") })
        }
    }

    @Test("a collector that fails is shown with its reason and code, and the exit status says so")
    func failing() async throws {
        try await TestDatabase.withDatabase { database in
            let admin = try await database.connect()
            _ = try await admin.query(
                "select monitoring_internal.load_collector('broken', $1)",
                [
                    """
                    -- broken.sql: made by a test.
                    --! collector broken
                    --! every 10s
                    --! scope instance
                    --! tier fast
                    --! cap 1
                    --! query only
                    --! metric value broken_value gauge number A value.
                    --! version 15-
                    select 1 / (value - 1) as value from (values (1)) as v (value)
                    """
                ])
            let report = try await collect(database, "broken", "instance")
            #expect(report.ending == .exited(1))
            #expect(report.output.contains("division by zero (SQLSTATE 22012)"))
            #expect(report.lines.contains { $0.hasPrefix("instance") && $0.contains(" ok ") })
            let json = try await collect(database, "--json", "broken")
            #expect(json.output.contains("\"status\":\"failed\""))
            await admin.close()
        }
    }

    @Test("an unknown name ends with one line that says where the names are")
    func unknown() async throws {
        try await TestDatabase.withDatabase { database in
            let report = try await collect(database, "lock")
            #expect(report.ending == .exited(1))
            #expect(
                report.errors
                    == "pgvigil: collector \"lock\" does not exist (SQLSTATE PV402); "
                    + "The names are in monitoring.collector_status.\n")
        }
    }
}
