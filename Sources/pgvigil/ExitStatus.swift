/// How the process ends; one number for each thing a script may want to tell apart.
struct ExitStatus: Sendable, Equatable {
    let code: Int32

    static let ok = ExitStatus(code: 0)
    /// The work was tried and failed.
    static let failed = ExitStatus(code: 1)
    /// The command line or a setting is wrong; nothing was tried.
    static let usage = ExitStatus(code: 2)
    /// The database is not what this binary would make of it.
    static let driftOrPending = ExitStatus(code: 3)
    /// Another migration held the lock for too long.
    static let lockNotObtained = ExitStatus(code: 4)
    /// No connection to the database.
    static let cannotConnect = ExitStatus(code: 5)
}

/// A fault as the user sees it: one line, a remedy, an exit status.
struct CommandFault: Error, Sendable {
    let status: ExitStatus
    /// Lower-case, one line, no full stop.
    let message: String
    /// What to do, one line; empty when the message says it.
    let remedy: String

    init(_ status: ExitStatus, _ message: String, remedy: String = "") {
        self.status = status
        self.message = message
        self.remedy = remedy
    }

    /// The line for standard error, without the program's name.
    var line: String {
        let text = remedy.isEmpty ? message : "\(message); \(remedy)"
        return text.split(whereSeparator: \.isNewline).joined(separator: " ")
    }
}
