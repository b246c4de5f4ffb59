import Postgres
import TestSupport
import Testing

@testable import Migrations

@Suite("Installing and upgrading")
struct MigratorTests {
    private static let table = "-- 0002: a table.\ncreate table monitoring.things (thing_id integer primary key);\n"

    @Test("an empty database is brought to head, and a second run changes nothing")
    func install() async throws {
        try await TestDatabase.withDatabase(.empty) { database in
            let migrator = Installation.migrator(database)
            let outcome = try await migrator.up()
            let files = try SQLSource.embedded.files()
            #expect(outcome.applied == (try MigrationFile.all(in: files).map(\.name)))
            #expect(outcome.reloaded == Reload.reloadable(files).count)
            let before = try await Installation.catalog(database)
            #expect(before.contains { $0.kind == "function" && $0.name == "monitoring.system_tenant_id()" })
            let stamps = "select string_agg(xmin::text, ',' order by oid) from pg_proc"
            let loaded = try await Installation.scalar(database, stamps)
            #expect(try await migrator.up().changedNothing)
            #expect(try await Installation.scalar(database, stamps) == loaded)
            #expect(Catalog.differences(before, try await Installation.catalog(database)).isEmpty)
            #expect(try await migrator.verify().findings.isEmpty)
            #expect(try await migrator.status().isCurrent)
        }
    }

    @Test("each migration has one row with checksum, description and tool in the ledger")
    func ledger() async throws {
        let folder = try SQLFolder([
            "migrations/0002_things.sql": "--! breaking\n" + Self.table,
            "migrations/0002_things.down.sql": "drop table monitoring.things;",
        ])
        try await TestDatabase.withDatabase(.empty) { database in
            _ = try await Installation.migrator(database, folder.source).up()
            try await Installation.withConnection(database) { connection in
                let row = try await connection.query(
                    "select * from monitoring.schema_migrations where version = '0002'"
                ).single()
                #expect(row["name"] == "0002_things")
                #expect(row["checksum"] == SQLFile(path: "", text: "--! breaking\n" + Self.table).checksum)
                #expect(row["description"] == "0002: a table.")
                #expect(row["tool_version"] == "test")
                #expect(row["is_breaking"] == "t")
                #expect(row["rollback_sql"] == "drop table monitoring.things;")
                let owner = try await connection.query(
                    "select relowner::regrole from pg_class where oid = 'monitoring.things'::regclass"
                ).scalar
                #expect(owner == "monitoring_owner")
            }
        }
    }

    @Test("a failing migration leaves no trace, and the message has its line")
    func failure() async throws {
        let folder = try SQLFolder(["migrations/0002_things.sql": Self.table])
        try await TestDatabase.withDatabase(.empty) { database in
            let migrator = Installation.migrator(database, folder.source)
            _ = try await migrator.up()
            let before = try await Installation.catalog(database)
            try folder.write(
                "migrations/0003_bad.sql",
                "create table monitoring.more (a integer);\ncreate index more_idx\n    on monitoring.more (b);\n")
            let fault = try await Installation.fault { _ = try await migrator.up() }
            #expect(fault?.kind == .failed)
            #expect(fault?.message.contains("0003_bad.sql:2: column \"b\" does not exist (SQLSTATE 42703)") == true)
            #expect(fault?.message.contains("nothing of 0003_bad was applied") == true)
            #expect(Catalog.differences(before, try await Installation.catalog(database)).isEmpty)
            #expect(try await migrator.status().pending == ["0003_bad"])
            try folder.write("migrations/0003_bad.sql", "create table monitoring.more (b integer);\n")
            #expect(try await migrator.up().applied == ["0003_bad"])
        }
    }

    @Test("edited, missing, late and unknown files stop up, each with its own fault")
    func tampering() async throws {
        let folder = try SQLFolder([
            "migrations/0002_things.sql": Self.table, "migrations/0004_late.sql": "create table monitoring.late ();",
        ])
        try await TestDatabase.withDatabase(.empty) { database in
            let migrator = Installation.migrator(database, folder.source)
            _ = try await migrator.up()
            func kind() async throws -> MigrationFault.Kind? {
                try await Installation.fault { _ = try await migrator.up() }?.kind
            }
            try folder.write("migrations/0002_things.sql", Self.table + "-- edited\n")
            #expect(try await kind() == .editedAfterRelease)
            #expect(try await migrator.verify().findings.map(\.kind) == [.ledger])
            try folder.write(
                "migrations/0002_things.sql", Self.table.split(separator: "\n").map { "\($0)\r\n" }.joined())
            #expect(try await kind() == nil)
            folder.remove("migrations/0002_things.sql")
            #expect(try await kind() == .missingFile)
            try folder.write("migrations/0002_things.sql", Self.table)
            try folder.write("migrations/0003_between.sql", "select 1;")
            #expect(try await kind() == .outOfOrder)
            folder.remove("migrations/0003_between.sql")
            folder.remove("migrations/0004_late.sql")
            #expect(try await kind() == .newerSchema)
            let fault = try await Installation.fault { _ = try await migrator.plan() }
            #expect(fault?.kind == .newerSchema)
        }
    }

    @Test("an older program may serve a newer schema unless it is marked breaking", arguments: [false, true])
    func servingNewer(isBreaking: Bool) async throws {
        let mark = isBreaking ? "--! breaking\n" : ""
        let folder = try SQLFolder(["migrations/0002_things.sql": mark + Self.table])
        try await TestDatabase.withDatabase(.empty) { database in
            let migrator = Installation.migrator(database, folder.source)
            _ = try await migrator.up()
            #expect(try await migrator.status().servingFault == nil)
            folder.remove("migrations/0002_things.sql")
            let status = try await migrator.status()
            #expect(status.faults.map(\.kind) == [.newerSchema])
            #expect(status.servingFault?.kind == (isBreaking ? .newerSchema : nil))
        }
    }

    @Test("a fresh install has the catalogue that upgrading step by step arrives at")
    func freshEqualsUpgraded() async throws {
        let files = try SQLSource.embedded.files()
        let migrations = files.filter { $0.path.hasPrefix("migrations/") }
        let folder = try SQLFolder(withoutFirst: true)
        try await TestDatabase.withDatabase(.empty) { upgraded in
            let migrator = Installation.migrator(upgraded, folder.source)
            for file in migrations {
                try folder.write(file.path, file.text)
                _ = try await migrator.up()
            }
            for file in Reload.reloadable(files) { try folder.write(file.path, file.text) }
            _ = try await migrator.up()
            try await TestDatabase.withDatabase(.empty) { fresh in
                _ = try await Installation.migrator(fresh).up()
                let (left, right) = (try await Installation.catalog(fresh), try await Installation.catalog(upgraded))
                #expect(left.count > 100)
                #expect(Catalog.differences(left, right) == [])
            }
        }
    }

    @Test(
        "the catalogue comparison sees every kind of difference",
        arguments: [
            "alter table monitoring.tenants add column extra integer",
            "alter table monitoring.tenants alter column name drop not null",
            "alter table monitoring.tenants alter column display_name set default 'x'",
            "alter table monitoring.tenants drop constraint tenants_name_check",
            "drop index monitoring.tenants_is_system_idx",
            "grant select on monitoring.settings to public",
            "grant update (value) on monitoring.settings to monitoring_reader",
            "comment on table monitoring.tenants is 'other'",
            "comment on column monitoring.tenants.name is 'other'",
            "alter table monitoring.settings enable row level security",
            "create policy p on monitoring.settings using (true)",
            "create trigger t before update on monitoring.settings for each row execute function suppress_redundant_updates_trigger()",
            "create function monitoring.extra() returns integer language sql as 'select 1'",
            "revoke execute on function monitoring.system_tenant_id() from monitoring_reader",
            "create view monitoring.extra as select 1 as one",
            "create type monitoring.extra as enum ('a')",
            "alter schema monitoring owner to postgres",
            "alter default privileges for role monitoring_owner in schema monitoring grant select on tables to public",
        ])
    func fingerprintBites(change: String) async throws {
        try await TestDatabase.withDatabase { database in
            let before = try await Installation.catalog(database)
            try await Installation.withConnection(database) { try await $0.execute(change) }
            #expect(!Catalog.differences(before, try await Installation.catalog(database)).isEmpty)
        }
    }
}
