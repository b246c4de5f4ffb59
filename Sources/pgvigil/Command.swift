/// A command of `pgvigil`: either a family of sub-commands or something to run.
///
/// One file per command; `Commands.swift` lists them.
struct Command: Sendable {
    /// What a command does, and its exit status.
    typealias Body = @Sendable (Invocation) async throws -> ExitStatus

    /// What stands on the command line: `migrate`.
    let name: String
    /// One line under 60 characters, lower-case, no full stop.
    let summary: String
    /// How many operands are taken, and what the help calls them.
    var operands = Operands.none
    var options: [CommandOption] = []
    /// A few lines of explanation for the help, each at most 78 characters.
    var details: [String] = []
    var subcommands: [Command] = []
    /// Nil for a family of sub-commands.
    var body: Body?

    /// The operands that a command takes.
    enum Operands: Sendable {
        case none
        /// Up to so many, with the words that the help shows: `NAME`, `[NAME]`.
        case upTo(Int, String)
        /// Any number, taken as they are once the first one is met: `[-- COMMAND [ARGUMENT...]]`.
        case rest(String)
    }
}

extension Command.Operands {
    /// The most operands that are taken.
    var limit: Int {
        switch self {
        case .none: 0
        case .upTo(let count, _): count
        case .rest: Int.max
        }
    }

    /// What the help shows.
    var placeholder: String {
        switch self {
        case .none: ""
        case .upTo(_, let words), .rest(let words): words
        }
    }
}
