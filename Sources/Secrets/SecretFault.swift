/// Why a secret cannot be sealed or opened; nothing of a key or a secret is in it.
package struct SecretFault: Error, Sendable, Equatable {
    /// What is wrong.
    package enum Kind: String, Sendable {
        /// There is no key anywhere.
        case noKey
        /// A key file cannot be read, or others may read it too.
        case unfitKeyFile
        /// What should be a key is none.
        case malformedKey
        /// What should be a sealed secret is none.
        case malformedSecret
        /// The key that it was sealed with is not among ours.
        case unknownKey
        /// It was changed, or sealed for something else.
        case notAuthentic
        /// The machine gave no random bytes.
        case noRandomness
    }

    /// What is wrong.
    package let kind: Kind
    /// Lower-case, one line, no full stop.
    package let message: String
    /// What to do about it.
    package let remedy: String

    /// A fault, its message and what to do about it.
    package init(_ kind: Kind, _ message: String, remedy: String) {
        self.kind = kind
        self.message = message
        self.remedy = remedy
    }
}

extension SecretFault: CustomStringConvertible {
    /// The message and the remedy, safe to log.
    package var description: String { "\(message); \(remedy)" }
}
