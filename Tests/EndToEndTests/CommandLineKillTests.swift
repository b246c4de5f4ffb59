import EmbeddedPostgres
import Glibc
import Migrations
import Postgres
import Runtime
import TestSupport
import Testing

@Suite("Migrations that are killed", .timeLimit(.minutes(3)))
struct CommandLineKillTests {
    /// A migration in progress as a process of its own.
    private struct Running {
        let child: ChildProcess
        let files: (String, String)

        init(_ database: Database, folder: String? = nil) throws {
            files = try (CommandLineProgram.temporaryFile(), CommandLineProgram.temporaryFile())
            var environment = ["PGVIGIL_DSN": database.conninfo]
            environment["PGVIGIL_SQL_DIR"] = folder
            child = try CommandLineProgram.start(
                ["migrate", "up"], environment: environment, output: files.0, errors: files.1)
        }

        /// Kills it so long after its start, on a thread of its own, since tasks wake late when tests keep both
        /// processors busy; true when it had not ended before.
        func kill(after moment: Duration) async throws -> Bool {
            let child = child
            try OSThread.start(name: "killer") {
                usleep(UInt32(moment.inSeconds * 1_000_000))
                child.signal(SIGKILL)
            }
            let ending = await child.wait()
            await kill()
            return ending == .killed(SIGKILL)
        }

        func kill() async {
            child.signal(SIGKILL)
            _ = await child.wait()
            unlink(files.0)
            unlink(files.1)
        }
    }

    private static func catalog(_ database: Database) async throws -> [CatalogObject] {
        let connection = try await database.connect()
        let objects = try await Catalog.objects(connection)
        await connection.close()
        return objects
    }

    private static func up(_ database: Database, folder: String? = nil) async throws -> CommandLineProgram.Report {
        var environment = ["PGVIGIL_DSN": database.conninfo]
        environment["PGVIGIL_SQL_DIR"] = folder
        return try await CommandLineProgram.run(["migrate", "up"], environment: environment)
    }

    @Test("killed at fifty seeded moments, a migration is finished by running it again, to the same catalogue")
    func anyMoment() async throws {
        let folder = try FolderOfSQL(Self.files)
        var random = SplitMix(seed: 20_260_101)
        var length = Duration.zero
        let expected = try await TestDatabase.withDatabase(.empty) { database in
            let begun = ContinuousClock.now
            #expect(try await Self.up(database, folder: folder.path).ending == .exited(0))
            length = ContinuousClock.now - begun
            return try await Self.catalog(database)
        }
        var interrupted = 0
        for round in 1...50 {
            try await TestDatabase.withDatabase(.empty) { database in
                let running = try Running(database, folder: folder.path)
                let moment = length * Double(random.next() % 1000) / 1000
                if try await running.kill(after: moment) { interrupted += 1 }
                let again = try await Self.up(database, folder: folder.path)
                #expect(again.ending == .exited(0), "round \(round), killed after \(moment): \(again.errors)")
                let differences = Catalog.differences(expected, try await Self.catalog(database))
                #expect(differences.isEmpty, "round \(round), killed after \(moment): \(differences.prefix(3))")
                #expect(try await Self.up(database, folder: folder.path).output.hasPrefix("nothing to do"))
            }
        }
        #expect(interrupted >= 10, "only \(interrupted) of 50 were killed while they ran")
    }

    /// A few files of every kind.
    private static let files = [
        "migrations/0002_things.sql": """
        create table monitoring.things (thing_id integer primary key, kind integer);
        insert into monitoring.things select n, n from generate_series(1, 1000) as n;
        """,
        "migrations/0003_index.sql": """
        --! no-transaction
        create index concurrently if not exists things_kind_idx on monitoring.things (kind);
        """,
        "migrations/0004_more.sql": "alter table monitoring.things add column label text not null default '';",
        "functions.sql": """
        create or replace function monitoring.one() returns integer language sql as 'select 1';
        create or replace view monitoring.kinds as select kind, monitoring.one() as one from monitoring.things;
        """,
        "grants.sql": "grant select on monitoring.kinds to monitoring_reader;",
    ]

    @Test("killed while it builds an index concurrently, a second run drops the invalid index and builds it again")
    func concurrentIndex() async throws {
        let folder = try FolderOfSQL(Self.files)
        try await TestDatabase.withDatabase(.empty) { database in
            try folder.hide("migrations/0003_index.sql")
            try folder.hide("migrations/0004_more.sql")
            #expect(try await Self.up(database, folder: folder.path).ending == .exited(0))
            try folder.show("migrations/0003_index.sql")
            try folder.show("migrations/0004_more.sql")
            let writer = try await database.connect()
            try await writer.execute("begin; update monitoring.things set kind = 0 where thing_id = 1")
            let running = try Running(database, folder: folder.path)
            let watcher = try await database.connect()
            let isBuilding =
                "select count(*) from pg_index where indexrelid = to_regclass('monitoring.things_kind_idx')"
            while try await watcher.query(isBuilding).scalar == "0" {
                try await ContinuousClock().sleep(for: .milliseconds(20))
            }
            await running.kill()
            // The server notices within a second that its client is gone, and ends the statement and our lock.
            let orphans =
                "select count(*) from pg_stat_activity where application_name = 'pgvigil migrate' and datname = current_database()"
            while try await watcher.query(orphans).scalar != "0" {
                try await ContinuousClock().sleep(for: .milliseconds(50))
            }
            let isValid = "select indisvalid from pg_index where indexrelid = 'monitoring.things_kind_idx'::regclass"
            #expect(try await watcher.query(isValid).scalar == "f")
            try await writer.execute("commit")
            let again = try await Self.up(database, folder: folder.path)
            #expect(again.ending == .exited(0), "\(again.errors)")
            #expect(again.errors.contains("building the invalid index monitoring.things_kind_idx again"))
            #expect(try await watcher.query(isValid).scalar == "t")
            let note = "select description from monitoring.schema_migrations where version = '0003'"
            #expect(try await watcher.query(note).scalar?.contains("was built again") == true)
            await writer.close()
            await watcher.close()
        }
    }

    @Test("on a terminal a migration shows what it is at after two seconds, elsewhere it says nothing until its end")
    func progress() async throws {
        let folder = try FolderOfSQL(["migrations/0002_slow.sql": "select pg_sleep(3);"])
        try await TestDatabase.withDatabase(.empty) { database in
            let command = "'\(CommandLineProgram.path)' migrate up --sql-dir \(folder.path)"
            let shown = try await ChildProcess.run(
                ["script", "-qec", command, "/dev/null"],
                environment: CommandLineProgram.environment(["PGVIGIL_DSN": database.conninfo]))
            #expect(shown.isSuccess)
            #expect(shown.output.contains("\r\u{1B}[K[2/2] 0002_slow 2 s"))
            #expect(!shown.output.contains("0002_slow 1 s"))
            #expect(shown.output.contains("\r\u{1B}[Kapplied 0001_"))
        }
        try await TestDatabase.withDatabase(.empty) { database in
            let report = try await Self.up(database, folder: folder.path)
            #expect(report.errors.isEmpty)
            #expect(report.output.hasSuffix("applied 0002_slow\n"))
        }
    }

    @Test("SIGTERM ends a migration that waits, in order and with nothing changed")
    func terminated() async throws {
        try await TestDatabase.withDatabase { database in
            let holder = try await database.connect()
            try await holder.execute("delete from monitoring_internal.reloaded_objects")
            try await holder.execute("begin; lock table monitoring.tenants in access exclusive mode")
            let running = try Running(database)
            let watcher = try await database.connect()
            let waiting = """
                select count(*) from pg_stat_activity
                where application_name = 'pgvigil migrate' and wait_event_type = 'Lock'
                    and datname = current_database()
                """
            while try await watcher.query(waiting).scalar == "0" {
                try await ContinuousClock().sleep(for: .milliseconds(20))
            }
            running.child.signal(SIGTERM)
            #expect(await running.child.wait() == .exited(1))
            #expect(CommandLineProgram.read(running.files.1) == "pgvigil: interrupted; run it again to finish\n")
            await running.kill()
            await holder.close()
            #expect(try await Self.up(database).ending == .exited(0))
            await watcher.close()
        }
    }
}

/// A folder of SQL files with our own first migration, for one test.
private final class FolderOfSQL: Sendable {
    let path: String

    init(_ files: [String: String]) throws {
        var template = Array("/tmp/pgvigil-sql-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw CommandLineProgram.Problem(description: "mkdtemp failed") }
        path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
        mkdir("\(path)/migrations", 0o755)
        let first = try #require(try SQLSource.embedded.files().first { $0.path.hasPrefix("migrations/0001_") })
        for (name, text) in files.merging([first.path: first.text], uniquingKeysWith: { $1 }) {
            let file = try #require(fopen("\(path)/\(name)", "w"))
            fputs(text, file)
            fclose(file)
        }
    }

    deinit {
        for name in (try? SQLSource.folder(path).files().map(\.path)) ?? [] { unlink("\(path)/\(name)") }
        rmdir("\(path)/migrations")
        rmdir(path)
    }

    /// Takes a file away for a while.
    func hide(_ name: String) throws { try #require(rename("\(path)/\(name)", "\(path)/\(name).hidden") == 0) }

    func show(_ name: String) throws { try #require(rename("\(path)/\(name).hidden", "\(path)/\(name)") == 0) }
}

/// A small generator of chance that a seed determines.
private struct SplitMix: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}
