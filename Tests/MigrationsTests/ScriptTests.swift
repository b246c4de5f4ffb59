import Glibc
import Migrations
import Postgres
import Runtime
import TestSupport
import Testing

/// `migrate script`: run by plain psql it gives what `up` gives, or refuses.
@Suite struct ScriptTests {
    /// Runs a script as a person would.
    private func psql(_ script: String, _ database: Database) async throws -> ChildProcess.Report {
        let folder = try SQLFolder(["script.sql": script], withoutFirst: true)
        var environment = ProcessEnvironment.variables()
        environment["LC_ALL"] = "C.UTF-8"
        while true {
            let report = try await ChildProcess.run(
                ["psql", "-X", "-d", database.conninfo, "-f", "\(folder.path)/script.sql"], environment: environment)
            // Another test's installation made the same roles at this moment; nothing of this one is left.
            let isChance = ["concurrently updated", "duplicate key"].contains { report.output.contains($0) }
            guard !report.isSuccess, isChance else { return report }
        }
    }

    private static let record = """
        select md5(string_agg(line, ';' order by line)) from (
            select concat_ws('|', version, name, checksum, description, tool_version, is_breaking, rollback_sql) as line
            from monitoring.schema_migrations
            union all
            select path || ' ' || checksum from monitoring_internal.reloaded_objects) as record
        """

    @Test("psql alone makes of an empty database what up makes of it: catalogue, ledger and record")
    func emptyDatabase() async throws {
        try await TestDatabase.withDatabase(.empty) { upped in
            _ = try await Installation.migrator(upped).up()
            let catalog = try await Installation.catalog(upped)
            let record = try await Installation.scalar(upped, Self.record)
            try await TestDatabase.withDatabase(.empty) { database in
                let migrator = Installation.migrator(database)
                let report = try await psql(try migrator.script(from: nil), database)
                #expect(report.isSuccess, "\(report.output.prefix(2000))")
                #expect(report.output.hasPrefix("pgvigil: the schema is at "), "\(report.output.prefix(500))")
                #expect(Catalog.differences(catalog, try await Installation.catalog(database)) == [])
                #expect(try await migrator.verify().findings == [])
                #expect(try await migrator.status().isCurrent)
                #expect(try await Installation.scalar(database, Self.record) == record)
                #expect(try await migrator.up().changedNothing)
                let rows = "select count(*) from monitoring.collectors"
                #expect(try await Installation.scalar(database, rows) == Installation.scalar(upped, rows))
            }
        }
    }

    @Test("from an older version it applies the rest, and drops functions that no file names any longer")
    func olderDatabase() async throws {
        let files = try SQLFolder([
            "migrations/0002_a.sql": "create table monitoring.a (n integer);",
            "functions/f.sql": "create function monitoring.old() returns int language sql as 'select 1';",
        ])
        try await TestDatabase.withDatabase(.empty) { database in
            let migrator = Installation.migrator(database, files.source)
            _ = try await migrator.up()
            try files.write(
                "migrations/0003_i.sql", "--! no-transaction\ncreate index concurrently a_n_idx on monitoring.a (n);")
            try files.write(
                "functions/f.sql",
                "create or replace function monitoring.new() returns text language sql as $$ select ':a \\d' $$;")
            try files.write(
                "views/v.sql", "create or replace view monitoring.v as select monitoring.new() as one, 'it''s' as two;")
            let report = try await psql(try migrator.script(from: "0002"), database)
            #expect(report.isSuccess, "\(report.output)")
            #expect(try await migrator.verify().findings == [])
            #expect(try await migrator.status().strayFunctions == [])
            #expect(try await Installation.scalar(database, "select one from monitoring.v") == ":a \\d")
            #expect(try await Installation.scalar(database, "select to_regproc('monitoring.old') is null") == "t")
            #expect(try await Installation.scalar(database, "select to_regclass('monitoring.a_n_idx') is null") == "f")
        }
    }

    @Test("a database in another state is refused with the command that fits, and stays as it is")
    func otherState() async throws {
        try await TestDatabase.withDatabase { database in
            let migrator = Installation.migrator(database)
            let catalog = try await Installation.catalog(database)
            for version in [nil, "0002"] {
                let report = try await psql(try migrator.script(from: version), database)
                #expect(report.ending == .exited(3))
                #expect(report.output.contains("and this one holds the migrations 0001, 0002"), "\(report.output)")
                #expect(report.output.contains("pgvigil migrate script --from 00"), "\(report.output)")
            }
            #expect(try await Installation.catalog(database) == catalog)
        }
        try await TestDatabase.withDatabase(.empty) { database in
            let report = try await psql(try Installation.migrator(database).script(from: "0001"), database)
            #expect(report.ending == .exited(3) && report.output.contains("this one holds no migration"))
        }
        let fault = #expect(throws: MigrationFault.self) {
            try Migrator(database: .init(conninfo: "", applicationName: "x"), options: Installation.options)
                .script(from: "9999")
        }
        #expect(fault?.kind == .missingFile)
    }

    @Test("it stops at the first error and leaves nothing of the file that failed")
    func stopsAtTheFirstError() async throws {
        let files = try SQLFolder([
            "migrations/0002_a.sql": "create table monitoring.a (n integer);\nselect 1 / 0;",
            "migrations/0003_b.sql": "create table monitoring.b (n integer);",
            "functions/f.sql": "create function monitoring.f() returns int language sql as 'select 1';",
        ])
        try await TestDatabase.withDatabase(.empty) { database in
            let report = try await psql(try Installation.migrator(database, files.source).script(from: nil), database)
            #expect(report.ending == .exited(3) && report.output.contains("division by zero"), "\(report.output)")
            let left =
                "select count(*) from pg_class where relname in ('a', 'b') and relnamespace = 'monitoring'::regnamespace"
            #expect(try await Installation.scalar(database, left) == "0")
            #expect(try await Installation.scalar(database, "select count(*) from monitoring.schema_migrations") == "1")
        }
    }
}
