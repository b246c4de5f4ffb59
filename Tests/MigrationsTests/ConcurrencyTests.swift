import EmbeddedPostgres
import Postgres
import TestSupport
import Testing

@testable import Migrations

@Suite("Many installers and busy tables")
struct ConcurrencyTests {
    private static let table = "create table monitoring.things (thing_id integer primary key);\n"
    private static let index =
        "--! no-transaction\ncreate index concurrently if not exists things_idx on monitoring.things (thing_id);\n"

    @Test("of twenty installers at once one applies, the others wait and find nothing to do")
    func twenty() async throws {
        let folder = try SQLFolder([
            "migrations/0002_things.sql": Self.table, "migrations/0003_index.sql": Self.index,
            "functions/x/one.sql":
                "create or replace function monitoring.one() returns integer language sql as 'select 1';",
        ])
        try await TestDatabase.withDatabase(.empty) { database in
            let outcomes = try await withThrowingTaskGroup(of: Migrator.Outcome.self) { group in
                for _ in 1...20 {
                    group.addTask { try await Installation.migrator(database, folder.source).up() }
                }
                return try await group.reduce(into: []) { $0.append($1) }
            }
            #expect(outcomes.count { !$0.changedNothing } == 1)
            #expect(outcomes.count { $0.changedNothing } == 19)
            #expect(try await Installation.scalar(database, "select count(*) from monitoring.schema_migrations") == "3")
        }
    }

    @Test("databases of one fresh cluster can be installed at the same moment, although roles are the cluster's")
    func databasesOfOneCluster() async throws {
        try await TestCluster.withCluster { cluster in
            for _ in 1...3 {
                let names = (1...4).map { "install_\($0)" }
                for name in names { try await cluster.createDatabase(name) }
                try await withThrowingTaskGroup(of: Migrator.Outcome.self) { group in
                    for name in names {
                        group.addTask {
                            try await Migrator(
                                database: cluster.configuration(database: name), options: Installation.options
                            ).up()
                        }
                    }
                    for try await outcome in group { #expect(!outcome.applied.isEmpty) }
                }
                for name in names { try await cluster.dropDatabase(name) }
                try await dropRoles(cluster)
            }
        }
    }

    @Test("an installer that meets another database's installer at the same role looks again")
    func sameRole() async throws {
        let folder = try SQLFolder([
            "migrations/0002_role.sql": """
            --! as-installer
            do $$ begin
                if to_regrole('migrate_met_twice') is null then create role migrate_met_twice; end if;
            end $$;
            """
        ])
        try await TestDatabase.withDatabase(.empty) { database in
            let log = EventLog()
            let migrator = Installation.migrator(database, folder.source, onEvent: log.add)
            try await Installation.withConnection(database) { other in
                try await other.execute("begin; create role migrate_met_twice")
                try await withThrowingTaskGroup(of: Void.self) { group in
                    group.addTask { _ = try await migrator.up() }
                    while !log.events.contains(.applying(name: "0002_role", index: 2, count: 2)) {
                        try await ContinuousClock().sleep(for: .milliseconds(10))
                    }
                    try await waitForSession(other, "application_name = 'pgvigil test' and wait_event_type = 'Lock'")
                    try await other.execute("commit")
                    try await group.waitForAll()
                }
                try await other.execute("drop role migrate_met_twice")
            }
            #expect(log.events.contains { if case .retrying(name: "0002_role", _) = $0 { true } else { false } })
        }
    }

    private func dropRoles(_ cluster: EmbeddedCluster) async throws {
        let connection = try await PostgresConnection.connect(cluster.configuration())
        let list = try await connection.query(
            "select string_agg(quote_ident(rolname), ', ') from pg_roles where rolname like 'monitoring\\_%'"
        ).scalar
        try await connection.execute("drop role \(try #require(list))")
        await connection.close()
    }

    @Test("a lock that is not obtained in time is a fault of its own that names the holder")
    func lockWait() async throws {
        try await TestDatabase.withDatabase(.empty) { database in
            try await Installation.withConnection(database) { connection in
                let holder = try await MigrationLock.take(connection, limit: .zero) { _ in }
                var options = Installation.options
                options.lockWait = .milliseconds(300)
                let log = EventLog()
                let fault = try await Installation.fault {
                    _ = try await Installation.migrator(database, .embedded, options, onEvent: log.add).up()
                }
                #expect(fault?.kind == .lockNotObtained)
                #expect(fault?.message.contains("server process \(connection.backendPID) (pgvigil test") == true)
                #expect(log.events.count == 1)
                try await holder.release()
            }
            #expect(try await Installation.scalar(database, "select to_regnamespace('monitoring') is null") == "t")
        }
    }

    @Test("a waiting installer holds no snapshot, so it never blocks an index built concurrently")
    func waiterHoldsNoSnapshot() async throws {
        let folder = try SQLFolder(["migrations/0002_things.sql": Self.table])
        try await TestDatabase.withDatabase(.empty) { database in
            _ = try await Installation.migrator(database, folder.source).up()
            try await Installation.withConnection(database) { connection in
                let holder = try await MigrationLock.take(connection, limit: .zero) { _ in }
                try await withThrowingTaskGroup(of: Void.self) { group in
                    group.addTask { _ = try await Installation.migrator(database, folder.source).up() }
                    try await waitForSession(
                        connection, "application_name = 'pgvigil test' and query like '%try_advisory%'")
                    try await connection.execute(
                        "create index concurrently things_idx on monitoring.things (thing_id)", timeout: .seconds(20))
                    try await holder.release()
                    try await group.waitForAll()
                }
            }
        }
    }

    @Test("a table that stays busy is a fault that names who holds it, and nothing is changed")
    func busyTable() async throws {
        let folder = try SQLFolder(["migrations/0002_things.sql": Self.table])
        try await TestDatabase.withDatabase(.empty) { database in
            var options = Installation.options
            options.retryFor = .milliseconds(500)
            let migrator = Installation.migrator(database, folder.source, options)
            _ = try await migrator.up()
            try folder.write("migrations/0003_more.sql", "alter table monitoring.things add column a integer;")
            try await Installation.withConnection(database) { reader in
                try await reader.execute("begin; select * from monitoring.things")
                let fault = try await Installation.fault { _ = try await migrator.up() }
                #expect(fault?.kind == .lockNotObtained)
                #expect(fault?.message.contains("server process \(reader.backendPID)") == true)
                #expect(fault?.message.contains("AccessShareLock on monitoring.things") == true)
                #expect(try await migrator.status().pending == ["0003_more"])
            }
        }
    }

    @Test("a table that is busy for a while is tried again until it is free, in short waits")
    func retry() async throws {
        let folder = try SQLFolder(["migrations/0002_things.sql": Self.table])
        try await TestDatabase.withDatabase(.empty) { database in
            let log = EventLog()
            let migrator = Installation.migrator(database, folder.source, onEvent: log.add)
            _ = try await migrator.up()
            try folder.write("migrations/0003_more.sql", "alter table monitoring.things add column a integer;")
            try await Installation.withConnection(database) { reader in
                try await reader.execute("begin; select * from monitoring.things")
                try await withThrowingTaskGroup(of: Void.self) { group in
                    group.addTask { _ = try await migrator.up() }
                    while !log.events.contains(where: { if case .retrying = $0 { true } else { false } }) {
                        try await ContinuousClock().sleep(for: .milliseconds(20))
                    }
                    try await reader.execute("commit")
                    try await group.waitForAll()
                }
            }
            #expect(try await migrator.status().pending.isEmpty)
        }
    }

    @Test("behind a pooler the lock is not in our server process: that is noticed")
    func lockElsewhere() async throws {
        try await TestDatabase.withDatabase(.empty) { database in
            try await Installation.withConnection(database) { mine in
                try await Installation.withConnection(database) { other in
                    _ = try await MigrationLock.take(other, limit: .zero) { _ in }
                    let fault = try await Installation.fault { try await MigrationLock(connection: mine).prove() }
                    #expect(fault?.kind == .poolerBetween)
                    let own = try await Installation.fault { try await MigrationLock(connection: other).prove() }
                    #expect(own == nil)
                }
            }
        }
    }

    private func waitForSession(_ connection: PostgresConnection, _ condition: String) async throws {
        let sql =
            "select count(*) from pg_stat_activity where pid <> pg_backend_pid() and datname = current_database() and \(condition)"
        while try await connection.query(sql).scalar == "0" {
            try await ContinuousClock().sleep(for: .milliseconds(20))
        }
    }
}
