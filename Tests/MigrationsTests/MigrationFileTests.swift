import Testing

@testable import Migrations

@Suite("Reading migrations")
struct MigrationFileTests {
    private func migration(_ text: String, name: String = "0007_words") throws -> MigrationFile {
        try MigrationFile(SQLFile(path: "migrations/\(name).sql", text: text))
    }

    @Test("directives at the top are obeyed and the first comment describes the file")
    func directives() throws {
        let file = try migration(
            "--! breaking\n--! no-transaction\n-- 0007: why.\ncreate index concurrently i on m.t (a);")
        #expect(file.directives == [.breaking, .noTransaction])
        #expect(file.version == "0007")
        #expect(file.description == "0007: why.")
        #expect(!file.runsInTransaction)
        #expect(file.isBreaking)
    }

    @Test(
        "a file that cannot be right is refused with its place",
        arguments: [
            ("--! no-transction\nselect 1;", "migrations/0007_words.sql:1: unknown directive \"no-transction\""),
            ("select 1;\n--! breaking\n", "migrations/0007_words.sql:2: a directive stands at the top of its file"),
            (
                "--! no-transaction\nselect 1; select 2;",
                "migrations/0007_words.sql holds 2 statements and runs outside a transaction"
            ),
            ("--! no-transaction\n", "migrations/0007_words.sql holds 0 statements and runs outside a transaction"),
            ("select 1;\ncommit;", "migrations/0007_words.sql:2: \"commit\" would end the migration's transaction"),
            ("start transaction;", "migrations/0007_words.sql:1: \"start transaction\" would end"),
            ("vacuum m.t;", "migrations/0007_words.sql:1: \"vacuum m.t\" cannot run in a transaction"),
        ])
    func refusals(text: String, message: String) {
        let fault = #expect(throws: MigrationFault.self) { try migration(text) }
        #expect(fault?.kind == .invalidFile)
        #expect(fault?.message.hasPrefix(message) == true, "\(fault?.message ?? "none")")
        #expect(fault?.remedy.isEmpty == false)
    }

    @Test(
        "an index built concurrently inside a transaction is refused before anything runs",
        arguments: [
            "create index concurrently i on m.t (a);", "create unique index concurrently if not exists i on m.t (a);",
            "drop index concurrently m.i;", "reindex table concurrently m.t;",
        ])
    func concurrentlyInTransaction(text: String) {
        let fault = #expect(throws: MigrationFault.self) { try migration("create table m.t (a int);\n\(text)") }
        #expect(fault?.message.contains("0007_words.sql:2") == true)
        #expect(fault?.remedy.contains("--! no-transaction") == true)
    }

    @Test(
        "create database and psql commands are refused: neither runs in a transaction through libpq",
        arguments: [
            "create database monitoring;\n\\c monitoring\ncreate table t (a int);", "\\c monitoring\nselect 1;",
        ])
    func documentForm(text: String) {
        let fault = #expect(throws: MigrationFault.self) { try migration(text) }
        #expect(fault?.kind == .invalidFile)
        #expect(fault?.message.contains("0007_words.sql:1") == true)
    }

    @Test(
        "names other than NNNN_words.sql are refused",
        arguments: ["7_words", "0007", "0007_", "0007-words", "0007_Words"])
    func names(name: String) {
        #expect(throws: MigrationFault.self) { try migration("select 1;", name: name) }
    }

    @Test("two files of one version are refused, a down file belongs to its migration")
    func all() throws {
        let files = [
            SQLFile(path: "migrations/0001_a.down.sql", text: "drop table a;"),
            SQLFile(path: "migrations/0001_a.sql", text: "create table a ();"),
            SQLFile(path: "migrations/0002_b.sql", text: "create table b ();"),
        ]
        let migrations = try MigrationFile.all(in: files)
        #expect(migrations.map(\.name) == ["0001_a", "0002_b"])
        #expect(migrations.map(\.rollbackText) == ["drop table a;", nil])
        let doubled = files + [SQLFile(path: "migrations/0002_c.sql", text: "select 1;")]
        let fault = #expect(throws: MigrationFault.self) { try MigrationFile.all(in: doubled) }
        #expect(fault?.message == "migrations 0002_b and 0002_c have the same version")
    }

    @Test("a CRLF checkout is the same file, an edit is not")
    func checksums() {
        let unix = SQLFile(path: "migrations/0001_a.sql", text: "select 1;\nselect 2;\n")
        let windows = SQLFile(path: "migrations/0001_a.sql", text: "select 1;\r\nselect 2;\r\n")
        let edited = SQLFile(path: "migrations/0001_a.sql", text: "select 1;\nselect 3;\n")
        #expect(unix == windows)
        #expect(unix.checksum != edited.checksum)
        #expect(
            SQLFile(path: "x", text: "abc").checksum
                == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
    }

    @Test("the files of this binary are all good, and the embedded text is the text of the folder")
    func embedded() throws {
        let files = try SQLSource.embedded.files()
        #expect(try MigrationFile.all(in: files).first?.version == "0001")
        #expect(files.contains { $0.path == "grants.sql" })
        let folder = String(#filePath).split(separator: "/").dropLast(3).joined(separator: "/")
        #expect(try SQLSource.folder("/\(folder)/sql").files() == files)
    }
}
