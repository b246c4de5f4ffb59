/// The ledger of a database against the files of this binary.
package struct LedgerComparison: Sendable {
    /// Applied migrations with the file each came from.
    package let applied: [LedgerEntry]
    /// Files that the database does not have yet, in order.
    package let pending: [MigrationFile]
    /// What must not be so; empty when `up` may go on.
    package let faults: [MigrationFault]
    /// Whether a migration that no file names is newer than all of them and marked breaking.
    let unknownBreaking: Bool

    /// Compares; the result names every fault, not just the first.
    init(files: [MigrationFile], entries: [LedgerEntry]) {
        let byVersion = Dictionary(files.map { ($0.version, $0) }) { first, _ in first }
        let appliedVersions = Set(entries.map(\.version))
        let newestFile = files.last?.version ?? ""
        let newestApplied = entries.last?.version ?? ""
        var faults: [MigrationFault] = []
        let unknown = entries.filter { $0.version > newestFile }
        if !unknown.isEmpty { faults.append(.newerSchema(unknown, newestFile: files.last?.name)) }
        for entry in entries where entry.version <= newestFile {
            guard let file = byVersion[entry.version] else {
                faults.append(.missingFile(entry))
                continue
            }
            if file.file.checksum != entry.checksum { faults.append(.editedAfterRelease(entry, file)) }
        }
        let pending = files.filter { !appliedVersions.contains($0.version) }
        if unknown.isEmpty {
            for file in pending where file.version < newestApplied {
                faults.append(.outOfOrder(file, newest: entries.last?.name ?? newestApplied))
            }
        }
        self.applied = entries
        self.pending = pending
        self.faults = faults
        self.unknownBreaking = unknown.contains(where: \.isBreaking)
    }
}

extension MigrationFault {
    static func newerSchema(_ unknown: [LedgerEntry], newestFile: String?) -> MigrationFault {
        let names = unknown.map(\.name).joined(separator: ", ")
        let tools = Set(unknown.map(\.toolVersion)).sorted().joined(separator: ", ")
        let breaking = unknown.contains(where: \.isBreaking)
        return MigrationFault(
            .newerSchema,
            "the database holds \(names), applied by pgvigil \(tools) and unknown to this one, "
                + "whose newest is \(newestFile ?? "none")",
            remedy: breaking
                ? "use pgvigil \(tools) or newer: the change is marked breaking, so this one can neither migrate nor serve"
                : "migrate with pgvigil \(tools) or newer; the change is not breaking, so this one may go on serving")
    }

    static func missingFile(_ entry: LedgerEntry) -> MigrationFault {
        MigrationFault(
            .missingFile,
            "migrations/\(entry.name).sql is missing, but the database says it was applied at \(entry.appliedAt)",
            remedy: "restore the file; its SHA-256 is \(entry.checksum)")
    }

    static func editedAfterRelease(_ entry: LedgerEntry, _ file: MigrationFile) -> MigrationFault {
        MigrationFault(
            .editedAfterRelease,
            "\(file.file.path) was edited after it was applied: applied SHA-256 \(entry.checksum), "
                + "file SHA-256 \(file.file.checksum)",
            remedy: "restore the file as it was and put the change into a new migration")
    }

    static func outOfOrder(_ file: MigrationFile, newest: String) -> MigrationFault {
        MigrationFault(
            .outOfOrder, "\(file.file.path) is not applied, but the newer \(newest) is",
            remedy: "give it the next free number, so that every database gets the same order")
    }
}
