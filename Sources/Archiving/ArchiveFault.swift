/// Why a day could not be archived, checked or restored; safe to log.
package struct ArchiveFault: Error, Sendable, Equatable {
    /// What is wrong.
    package enum Kind: String, Sendable {
        /// The place cannot be reached, or refuses.
        case place
        /// The file is not there.
        case missing
        /// The file is not what was written.
        case damaged
        /// The file is whole, and written by a newer program.
        case newer
        /// Credentials are missing or cannot be read.
        case credentials
        /// A setting is wrong.
        case setting
        /// The work was interrupted.
        case interrupted
        /// The store did not take what was restored, or took another number of samples.
        case store
    }

    /// What is wrong.
    package let kind: Kind
    /// Lower-case, one line, no full stop.
    package let message: String
    /// What to do about it.
    package let remedy: String

    /// Whether a file was looked at and is not as it should be.
    package var isFinding: Bool { kind == .damaged || kind == .missing }

    /// A fault, its message and what to do about it.
    package init(_ kind: Kind, _ message: String, remedy: String = "") {
        self.kind = kind
        self.message = message
        self.remedy = remedy
    }
}

extension ArchiveFault: CustomStringConvertible {
    /// The message and the remedy.
    package var description: String { remedy.isEmpty ? message : "\(message); \(remedy)" }
}
