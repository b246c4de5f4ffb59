import Postgres

/// One run that the database handed to this service.
struct ClaimedRun: Sendable, Equatable {
    /// How the command is executed.
    enum Mode: String, Sendable {
        /// Its effect and its end commit together.
        case transaction
        /// A CALL at top level, which may commit by itself.
        case procedure
        /// One statement outside any transaction.
        case maintenance
    }

    /// The number of the run.
    let id: Int64
    /// Proves to the database that the run is still ours.
    let fence: Int64
    let jobName: String
    let command: String
    let mode: Mode
    /// The role that the command runs as, quoted for SQL.
    let runAs: String?
    /// The database it runs in, or the target it runs on; empty: the service's own.
    let target: String
    /// Whether that is another server.
    let isOnTarget: Bool
    /// The limit that the server keeps; ours is a little longer.
    let timeout: Duration
    /// The session that it was leased to.
    let backendPID: Int32
}

/// The answer to one turn of the scheduler.
struct Claim: Sendable, Equatable {
    /// The runs to start, at most one for each session offered.
    var runs: [ClaimedRun] = []
    /// When to come again, unless woken.
    var wait = Duration.zero
    /// Whether backends at work are to be cancelled.
    var mustSignal = false

    /// Reads the rows of `claim_due`.
    init(rows: PostgresRows) throws(PostgresError) {
        for row in rows {
            guard try row.decodeIfPresent("run_id", as: Int64.self) != nil else {
                wait = .milliseconds(try row.decode("wait_ms", as: Int64.self))
                mustSignal = try row.decodeIfPresent("must_signal", as: Bool.self) ?? false
                continue
            }
            runs.append(try ClaimedRun(row: row))
        }
    }
}

extension ClaimedRun {
    init(row: PostgresRow) throws(PostgresError) {
        id = try row.decode("run_id", as: Int64.self)
        fence = try row.decode("fence", as: Int64.self)
        jobName = try row.decode("job_name", as: String.self)
        command = try row.decode("command", as: String.self)
        let mode = try row.decode("mode", as: String.self)
        guard let known = Mode(rawValue: mode) else {
            throw PostgresError(kind: .usage, attempted: "decode", message: "unknown mode \(mode)")
        }
        self.mode = known
        runAs = try row.decodeIfPresent("run_as", as: String.self)
        target = try row.decode("target", as: String.self)
        isOnTarget = try row.decodeIfPresent("target_id", as: Int.self) != nil
        timeout = .milliseconds(try row.decode("timeout_ms", as: Int64.self))
        backendPID = try row.decode("backend_pid", as: Int32.self)
    }
}
