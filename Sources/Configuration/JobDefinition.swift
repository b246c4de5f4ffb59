/// A job as jobs.yml tells it, with the file's defaults; what is nil is left to the database's own defaults.
package struct JobDefinition: Sendable, Equatable {
    /// Where the job begins in its file.
    package let mark: SourceMark
    package let name: String
    /// Five or six cron fields, an @ word, or @every with a period; the database reads it.
    package let schedule: String
    package let sql: String
    package let mode: Mode?
    package let timeZone: String?
    package let daylightSaving: DaylightSaving?
    package let overlap: Overlap?
    package let misfire: Misfire?
    package let timeout: Duration?
    package let lockTimeout: Duration?
    package let startDeadline: Duration?
    package let spread: Duration?
    package let isEnabled: Bool?
    package let history: History?
    package let description: String?

    /// How the command runs: inside one transaction with its ledger entry, or as a procedure that commits itself.
    package enum Mode: String, Sendable, CaseIterable { case transaction, procedure }
    /// What becomes of local times that the clocks skip or repeat.
    package enum DaylightSaving: String, Sendable, CaseIterable { case once, skip, twice }
    /// What happens to a slot that comes while the job still runs.
    package enum Overlap: String, Sendable, CaseIterable { case skip }
    /// Which of the slots that passed unseen are made up for.
    package enum Misfire: String, Sendable, CaseIterable { case last }
    /// Which runs are kept as rows of their own.
    package enum History: String, Sendable, CaseIterable { case all, failures }
}

extension JobDefinition {
    /// Keys of a job alone, and keys that `defaults` takes too.
    static let ownKeys = ["name", "schedule", "sql", "description"]
    static let sharedKeys = [
        "mode", "time_zone", "dst", "overlap", "misfire", "timeout", "lock_timeout", "start_deadline", "spread",
        "enabled", "history",
    ]
    /// What other schedulers call some of them.
    static let synonyms = [
        "cron": "schedule", "every": "schedule", "command": "sql", "query": "sql", "zone": "time_zone",
    ]
}
