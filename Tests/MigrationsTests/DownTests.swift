import Migrations
import Postgres
import TestSupport
import Testing

/// `migrate down`: what is undone, what is lost, what is refused, and that `up` brings all of it back.
@Suite struct DownTests {
    private static func versions() throws -> [String] {
        try SQLSource.embedded.files().map(\.path)
            .filter { $0.hasPrefix("migrations/") && !$0.hasSuffix(".down.sql") }
            .map { String($0.dropFirst(11).prefix(4)) }.sorted()
    }

    @Test("each migration is undone one by one, and up brings the same catalogue back")
    func stepByStep() async throws {
        let versions = try Self.versions()
        try await TestDatabase.withDatabase { database in
            let before = try await Installation.catalog(database)
            let migrator = Installation.migrator(database)
            for version in versions.dropFirst().reversed() {
                let undone = try await migrator.down(.steps(1))
                #expect(undone.map { String($0.prefix(4)) } == [version])
                #expect(try await migrator.status().applied.map(\.version) == versions.filter { $0 < version })
            }
            let code = try await Installation.catalog(database).filter { ["function", "view"].contains($0.kind) }
            #expect(code.isEmpty, "\(code.map(\.name))")
            _ = try await migrator.up()
            #expect(Catalog.differences(before, try await Installation.catalog(database)) == [])
            #expect(try await migrator.verify().findings == [])
        }
    }

    @Test("down to a version leaves that version as the newest, and what up made of it before")
    func toAVersion() async throws {
        try await TestDatabase.withDatabase { database in
            let migrator = Installation.migrator(database)
            let before = try await Installation.catalog(database)
            let plan = try await migrator.downPlan(.version("0004"))
            #expect(plan.undone.count == (try Self.versions().count) - 4)
            #expect(plan.codeCount > 200)
            let undone = try await migrator.down(.version("0004"))
            #expect(undone.last?.hasPrefix("0005_") == true)
            #expect(try await migrator.down(.version("0004")) == [], "a second call has nothing to undo")
            _ = try await migrator.up()
            #expect(Catalog.differences(before, try await Installation.catalog(database)) == [])
        }
    }

    @Test("the plan names each table that is lost, with its rows, and changes nothing")
    func planNamesLosses() async throws {
        let folder = try SQLFolder([
            "migrations/0002_goods.sql":
                "create table monitoring.goods (n integer);\ncreate table monitoring.bads (n integer);",
            "migrations/0002_goods.down.sql":
                "delete from monitoring.schema_migrations where version = 'none';\n"
                + "drop table monitoring.goods, monitoring.bads;",
        ])
        try await TestDatabase.withDatabase(.empty) { database in
            let migrator = Installation.migrator(database, folder.source)
            _ = try await migrator.up()
            try await Installation.withConnection(database) {
                try await $0.execute("insert into monitoring.goods select generate_series(1, 17)")
            }
            let catalog = try await Installation.catalog(database)
            let undo = try #require(try await migrator.downPlan(.steps(1)).undone.first)
            let losses = undo.dropped.map { "\($0.table) \($0.rows) \($0.isEstimate)" }
            #expect(losses == ["monitoring.goods 17 false", "monitoring.bads 0 false"])
            #expect(undo.thinned == ["monitoring.schema_migrations"])
            #expect(try await Installation.catalog(database) == catalog)
        }
    }

    @Test("a migration without a down file, an edited one and an unknown version are refused; nothing changes")
    func refusals() async throws {
        let folder = try SQLFolder([
            "migrations/0002_a.sql": "create table monitoring.a (n integer);",
            "migrations/0003_b.sql": "create table monitoring.b (n integer);",
            "migrations/0003_b.down.sql": "drop table monitoring.b;",
        ])
        try await TestDatabase.withDatabase(.empty) { database in
            let migrator = Installation.migrator(database, folder.source)
            _ = try await migrator.up()
            let catalog = try await Installation.catalog(database)
            let irreversible = try await Installation.fault { _ = try await migrator.down(.steps(2)) }
            #expect(irreversible?.kind == .irreversible)
            #expect(irreversible?.message.contains("migrations/0002_a.sql has no down file") == true)
            let unknown = try await Installation.fault { _ = try await migrator.down(.version("0009")) }
            #expect(unknown?.kind == .missingFile)
            try folder.write("migrations/0003_b.sql", "create table monitoring.b (n bigint);")
            let edited = try await Installation.fault { _ = try await migrator.down(.steps(1)) }
            #expect(edited?.kind == .editedAfterRelease)
            #expect(try await Installation.catalog(database) == catalog)
            #expect(try await Installation.scalar(database, "select count(*) from monitoring.schema_migrations") == "3")
        }
    }

    @Test("a down file that fails leaves tables, functions and ledger as they were, and names file and line")
    func failingDownFile() async throws {
        let folder = try SQLFolder([
            "migrations/0002_a.sql": "create table monitoring.a (n integer);",
            "migrations/0002_a.down.sql": "drop table monitoring.a;\ndrop table monitoring.missing;",
            "functions/f.sql": "create function monitoring.f() returns int language sql as 'select 1';",
        ])
        try await TestDatabase.withDatabase(.empty) { database in
            let migrator = Installation.migrator(database, folder.source)
            _ = try await migrator.up()
            let catalog = try await Installation.catalog(database)
            let fault = try await Installation.fault { _ = try await migrator.down(.steps(1)) }
            #expect(fault?.message.hasPrefix("migrations/0002_a.down.sql:2: ") == true, "\(String(describing: fault))")
            #expect(fault?.remedy == "mend what it says and run pgvigil migrate down again")
            #expect(try await Installation.catalog(database) == catalog)
        }
    }

    @Test("a view of the user's on ours stops down before anything is lost, and is named")
    func usersViewStopsIt() async throws {
        let folder = try SQLFolder([
            "migrations/0002_a.sql": "create table monitoring.a (n integer);",
            "migrations/0002_a.down.sql": "drop table monitoring.a;",
            "views/v.sql": "create or replace view monitoring.v as select 1 as one;",
        ])
        try await TestDatabase.withDatabase(.empty) { database in
            let migrator = Installation.migrator(database, folder.source)
            _ = try await migrator.up()
            try await Installation.withConnection(database) {
                try await $0.execute("create view public.dashboard as select * from monitoring.v")
            }
            let fault = try await Installation.fault { _ = try await migrator.down(.steps(1)) }
            #expect(fault?.message.contains("view public.dashboard depends on view monitoring.v") == true)
            #expect(try await Installation.scalar(database, "select one from public.dashboard") == "1")
        }
    }

    @Test("a down file runs outside a transaction, or as the installer, where it says so")
    func directives() async throws {
        let folder = try SQLFolder([
            "migrations/0002_a.sql": "create table monitoring.a (n integer);",
            "migrations/0002_a.down.sql": "--! as-installer\ndrop table monitoring.a;",
            "migrations/0003_i.sql": "--! no-transaction\ncreate index concurrently a_n_idx on monitoring.a (n);",
            "migrations/0003_i.down.sql": "--! no-transaction\ndrop index concurrently if exists monitoring.a_n_idx;",
            "functions/f.sql": "create function monitoring.f() returns int language sql as 'select 1';",
        ])
        try await TestDatabase.withDatabase(.empty) { database in
            let migrator = Installation.migrator(database, folder.source)
            _ = try await migrator.up()
            let catalog = try await Installation.catalog(database)
            #expect(try await migrator.down(.steps(2)) == ["0003_i", "0002_a"])
            #expect(try await Installation.scalar(database, "select to_regclass('monitoring.a') is null") == "t")
            _ = try await migrator.up()
            #expect(try await Installation.catalog(database) == catalog)
        }
    }
}
