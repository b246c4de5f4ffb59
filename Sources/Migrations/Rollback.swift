import Postgres

/// How far back `down` goes.
package enum RollbackTarget: Sendable, Equatable {
    /// So many of the newest migrations are undone.
    case steps(Int)
    /// What is newer than this version is undone.
    case version(String)
}

/// One applied migration and the file that undoes it.
package struct Rollback: Sendable {
    /// The migration that is undone.
    package let migration: MigrationFile
    /// `NNNN_words.down.sql`, checked like a migration.
    package let down: MigrationFile

    /// What has to be undone, newest first; empty when the database is there already.
    ///
    /// - Throws: `MigrationFault` when files and ledger disagree, a version is unknown, or a down file is missing.
    static func selection(
        _ target: RollbackTarget, files: [MigrationFile], entries: [LedgerEntry]
    ) throws(MigrationFault) -> [Rollback] {
        let comparison = LedgerComparison(files: files, entries: entries)
        if let fault = comparison.faults.first { throw fault }
        let doomed: ArraySlice<LedgerEntry>
        switch target {
        case .steps(let count): doomed = entries.suffix(count)
        case .version(let version):
            guard let place = entries.firstIndex(where: { $0.version == version }) else {
                throw .unknownVersion(version, known: entries.map(\.name))
            }
            doomed = entries[(place + 1)...]
        }
        var rollbacks: [Rollback] = []
        for entry in doomed.reversed() {
            guard let migration = files.first(where: { $0.version == entry.version }) else { continue }
            guard let down = try migration.downFile() else { throw .irreversible(migration) }
            rollbacks.append(Rollback(migration: migration, down: down))
        }
        return rollbacks
    }

    /// Tables that the down file drops and those it deletes rows from, as it names them.
    var losses: (dropped: [String], thinned: [String]) {
        var (dropped, thinned): ([String], [String]) = ([], [])
        for statement in down.statements {
            var words = statement.leadingWords(40)[...]
            if words.starts(with: ["drop", "table"]) {
                words = words.dropFirst(2)
                dropped += words.filter { $0.contains(".") }
            } else if words.starts(with: ["delete", "from"]), let table = words.dropFirst(2).first {
                thinned.append(table)
            } else if words.starts(with: ["truncate"]) {
                dropped += words.filter { $0.contains(".") }
            }
        }
        return (dropped, thinned)
    }
}

extension MigrationFault {
    static func irreversible(_ migration: MigrationFile) -> MigrationFault {
        MigrationFault(
            .irreversible, "\(migration.file.path) has no down file: nothing undoes it, and nothing was undone",
            remedy: "name a later version, or restore a backup of the database from before it")
    }

    static func unknownVersion(_ version: String, known: [String]) -> MigrationFault {
        MigrationFault(
            .missingFile, "no migration \(version) is applied",
            remedy: known.isEmpty ? "the database holds none" : "the database holds \(known.joined(separator: ", "))")
    }
}
