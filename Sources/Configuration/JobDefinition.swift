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
    /// With misfire all: so many slots are made up for.
    package let misfireLimit: Int64?
    package let timeout: Duration?
    package let lockTimeout: Duration?
    package let startDeadline: Duration?
    package let spread: Duration?
    package let isEnabled: Bool?
    package let history: History?
    /// The role that the command runs as.
    package let runAs: String?
    package let retries: Retries?
    /// Jobs whose latest slot must have succeeded first.
    package let needs: [String]?
    package let databases: Databases?
    /// The servers on which each slot runs: names, patterns behind `re:`, or `all`.
    package let targets: [String]?
    package let description: String?

    /// How the command runs: inside one transaction with its ledger entry, as a procedure that commits itself,
    /// or outside any transaction.
    package enum Mode: String, Sendable, CaseIterable { case transaction, procedure, maintenance }
    /// What becomes of local times that the clocks skip or repeat.
    package enum DaylightSaving: String, Sendable, CaseIterable { case once, skip, twice }
    /// What happens to a slot that comes while the job still runs.
    package enum Overlap: String, Sendable, CaseIterable { case skip, queue, cancel, allow }
    /// Which of the slots that passed unseen are made up for.
    package enum Misfire: String, Sendable, CaseIterable { case last, skip, all }
    /// Which runs are kept as rows of their own.
    package enum History: String, Sendable, CaseIterable { case all, failures }

    /// Further attempts that a slot gets when one fails.
    package struct Retries: Sendable, Equatable {
        package let attempts: Int64
        /// The pause before the first; it doubles with each.
        package let base: Duration?
        package let cap: Duration?
    }

    /// The databases of the cluster in which each slot runs, by regular expressions on their names.
    package struct Databases: Sendable, Equatable {
        package let match: String?
        package let except: String?
    }
}

extension JobDefinition {
    /// Keys of a job alone, and keys that `defaults` takes too.
    static let ownKeys = ["name", "schedule", "sql", "description", "needs", "databases", "targets"]
    static let sharedKeys = [
        "mode", "time_zone", "dst", "overlap", "misfire", "misfire_limit", "timeout", "lock_timeout", "start_deadline",
        "spread", "enabled", "history", "run_as", "retries",
    ]
    /// What other schedulers call some of them.
    static let synonyms = [
        "cron": "schedule", "every": "schedule", "command": "sql", "query": "sql", "zone": "time_zone",
        "depends_on": "needs", "role": "run_as", "servers": "targets", "retry": "retries",
    ]
}
