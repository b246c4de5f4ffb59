import Testing

@testable import Migrations

@Suite("Comparing files with the ledger")
struct LedgerComparisonTests {
    private static func file(_ version: String, _ text: String = "select 1;") throws -> MigrationFile {
        try MigrationFile(SQLFile(path: "migrations/\(version)_x.sql", text: text))
    }

    private static func entry(_ version: String, _ text: String = "select 1;", breaking: Bool = false) -> LedgerEntry {
        LedgerEntry(
            version: version, name: "\(version)_x", checksum: SQLFile(path: "", text: text).checksum,
            appliedAt: "2026-01-01", appliedBy: "me", durationMilliseconds: "1", toolVersion: "9.9",
            isBreaking: breaking)
    }

    @Test("what is not in the ledger is pending, in order")
    func pending() throws {
        let files = try ["0001", "0002", "0003"].map { try Self.file($0) }
        let comparison = LedgerComparison(files: files, entries: [Self.entry("0001")])
        #expect(comparison.pending.map(\.version) == ["0002", "0003"])
        #expect(comparison.faults.isEmpty)
    }

    @Test("a file edited after its release is refused with both checksums")
    func edited() throws {
        let file = try Self.file("0001", "select 2;")
        let fault = LedgerComparison(files: [file], entries: [Self.entry("0001")]).faults.first
        #expect(fault?.kind == .editedAfterRelease)
        #expect(fault?.message.contains("migrations/0001_x.sql") == true)
        #expect(fault?.message.contains(file.file.checksum) == true)
        #expect(fault?.message.contains(Self.entry("0001").checksum) == true)
    }

    @Test("a missing file, one out of order and an unknown newer schema are told apart")
    func kinds() throws {
        let missing = LedgerComparison(
            files: [try Self.file("0002")], entries: [Self.entry("0001"), Self.entry("0002")])
        #expect(missing.faults.map(\.kind) == [.missingFile])
        let late = LedgerComparison(
            files: [try Self.file("0001"), try Self.file("0002")], entries: [Self.entry("0002")])
        #expect(late.faults.map(\.kind) == [.outOfOrder])
        let newer = LedgerComparison(files: [try Self.file("0001")], entries: [Self.entry("0001"), Self.entry("0002")])
        #expect(newer.faults.map(\.kind) == [.newerSchema])
        #expect(newer.faults.first?.message.contains("0002_x, applied by pgvigil 9.9") == true)
    }

    @Test("only a newer schema that is marked breaking forbids an older pgvigil to serve")
    func breaking() throws {
        let files = [try Self.file("0001")]
        func remedy(_ breaking: Bool) -> String {
            let entries = [Self.entry("0001"), Self.entry("0002", breaking: breaking)]
            return LedgerComparison(files: files, entries: entries).faults.first?.remedy ?? ""
        }
        #expect(remedy(false).contains("may go on serving"))
        #expect(remedy(true).contains("can neither migrate nor serve"))
    }

    @Test("every class of fault has an exit status of its own, none of them usage or no connection")
    func statuses() {
        let codes = MigrationFault.Kind.allCases.map(\.rawValue)
        #expect(Set(codes).count == codes.count)
        #expect(Set(codes).isDisjoint(with: [0, 2, 5]))
    }

    @Test("a server older than 15 is refused, 15 and newer are not")
    func oldServer() throws {
        let fault = #expect(throws: MigrationFault.self) { try Preflight.check(serverVersion: 140_011) }
        #expect(fault?.kind == .serverUnfit)
        #expect(fault?.message == "the server is PostgreSQL 14, pgvigil needs 15 or newer")
        try Preflight.check(serverVersion: 150_000)
        try Preflight.check(serverVersion: 180_000)
    }
}
