import Postgres
import TestSupport
import Testing

@testable import Migrations

@Suite("Migrations outside a transaction")
struct NoTransactionTests {
    private static let table = """
        create table monitoring.things (thing_id integer primary key, kind integer);
        insert into monitoring.things values (1, 1), (2, 1);
        """
    private static let index = """
        --! no-transaction
        -- 0003: an index, without holding up writers.
        create unique index concurrently if not exists things_kind_idx on monitoring.things (kind);
        """

    private func description(_ database: Database) async throws -> String? {
        try await Installation.scalar(
            database, "select description from monitoring.schema_migrations where version = '0003'")
    }

    @Test("an index is built concurrently and the ledger says how")
    func concurrently() async throws {
        let folder = try SQLFolder([
            "migrations/0002_things.sql": Self.table,
            "migrations/0003_index.sql": Self.index.replacingUnique(),
        ])
        try await TestDatabase.withDatabase(.empty) { database in
            let outcome = try await Installation.migrator(database, folder.source).up()
            #expect(outcome.applied.last == "0003_index")
            let note = try await description(database)
            #expect(note?.hasSuffix("(outside a transaction)") == true)
            let owner = "select relowner::regrole from pg_class where oid = 'monitoring.things_kind_idx'::regclass"
            #expect(try await Installation.scalar(database, owner) == "monitoring_owner")
        }
    }

    @Test("an invalid index that an interrupted build left is not taken for a good one but built again")
    func repair() async throws {
        let folder = try SQLFolder(["migrations/0002_things.sql": Self.table, "migrations/0003_index.sql": Self.index])
        try await TestDatabase.withDatabase(.empty) { database in
            let log = EventLog()
            let migrator = Installation.migrator(database, folder.source, onEvent: log.add)
            let fault = try await Installation.fault { _ = try await migrator.up() }
            #expect(fault?.message.contains("could not create unique index") == true)
            #expect(fault?.message.contains("0003_index is not recorded as applied") == true)
            let isValid = "select indisvalid from pg_index where indexrelid = 'monitoring.things_kind_idx'::regclass"
            #expect(try await Installation.scalar(database, isValid) == "f")
            let findings = try await migrator.verify().findings
            #expect(findings.contains { $0.kind == .invalidIndex })
            try await Installation.withConnection(database) {
                try await $0.execute("delete from monitoring.things where thing_id = 2")
            }
            #expect(try await migrator.up().applied == ["0003_index"])
            #expect(try await Installation.scalar(database, isValid) == "t")
            #expect(log.events.contains(.repairing(index: "monitoring.things_kind_idx")))
            let note = try await description(database)
            #expect(note?.contains("invalid index monitoring.things_kind_idx") == true)
            #expect(try await migrator.verify().findings.isEmpty)
        }
    }

    @Test("on a partitioned parent an index cannot be built concurrently: the server's word, and no trace")
    func partitionedParent() async throws {
        let folder = try SQLFolder([
            "migrations/0002_things.sql": "create table monitoring.things (kind integer) partition by range (kind);",
            "migrations/0003_index.sql": Self.index.replacingUnique(),
        ])
        try await TestDatabase.withDatabase(.empty) { database in
            let migrator = Installation.migrator(database, folder.source)
            let fault = try await Installation.fault { _ = try await migrator.up() }
            #expect(fault?.message.contains("cannot create index on partitioned table \"things\" concurrently") == true)
            #expect(try await migrator.status().pending == ["0003_index"])
            #expect(
                try await Installation.scalar(database, "select to_regclass('monitoring.things_kind_idx') is null")
                    == "t")
        }
    }

    @Test(
        "the index of a statement is found with its schema",
        arguments: [
            ("create index concurrently i on m.t (a)", "m.i"),
            ("create unique index concurrently if not exists i on only m.t (a)", "m.i"),
            ("create index concurrently \"I x\" on t (a)", nil),
            ("create index i on m.t (a)", nil), ("create index concurrently on m.t (a)", nil), ("vacuum m.t", nil),
        ] as [(String, String?)])
    func names(statement: String, name: String?) {
        #expect(ConcurrentIndex(SQLStatement(text: statement, line: 1))?.name == name)
    }
}

extension String {
    /// The same statement without `unique`.
    fileprivate func replacingUnique() -> String {
        split(separator: " ", omittingEmptySubsequences: false).filter { $0 != "unique" }.joined(separator: " ")
    }
}
