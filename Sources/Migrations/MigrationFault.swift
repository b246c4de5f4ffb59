/// What can go wrong while migrating, each with its own exit status, one line of message and one remedy.
package struct MigrationFault: Error, Sendable, Equatable, CustomStringConvertible {
    /// The distinct classes of fault; the raw value is the exit status of `pgvigil migrate`.
    package enum Kind: Int32, Sendable, CaseIterable {
        case failed = 1
        case drift = 3
        case lockNotObtained = 4
        case insufficientRights = 6
        case serverUnfit = 7
        case poolerBetween = 8
        case editedAfterRelease = 9
        case missingFile = 10
        case outOfOrder = 11
        case newerSchema = 12
        case invalidFile = 13
        case irreversible = 30
    }

    package let kind: Kind
    /// One line, lower-case, no full stop.
    package let message: String
    /// What to do about it, one line.
    package let remedy: String

    package init(_ kind: Kind, _ message: String, remedy: String) {
        self.kind = kind
        self.message = message
        self.remedy = remedy
    }

    package var description: String { "\(message); \(remedy)" }
}

extension MigrationFault {
    static func unreadableFolder(_ path: String, _ reason: String) -> MigrationFault {
        MigrationFault(
            .invalidFile, "cannot read SQL files from \(path): \(reason)",
            remedy: "name a folder laid out like sql/ of the source tree, or leave --sql-dir out")
    }

    static func unreadableFile(_ path: String, _ reason: String) -> MigrationFault {
        MigrationFault(.invalidFile, "cannot read \(path): \(reason)", remedy: "restore the file and run again")
    }
}
