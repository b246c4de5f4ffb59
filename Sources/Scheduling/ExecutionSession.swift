import Postgres
import Runtime

/// One kept session that executes runs, one at a time, and is cleaned after each.
final class ExecutionSession: Sendable {
    /// How a run ended, as far as this session knows.
    enum Outcome: Sendable, Equatable {
        case succeeded
        /// Its status, and the SQLSTATE of the error that was met.
        case failed(status: String, sqlState: String?)
        /// The run was no longer ours: nothing of it was done.
        case stale
        /// The session was lost; the ledger knows more.
        case unknown
    }

    /// Undoes whatever a command may leave behind in its session.
    private static let reset = """
        close all; reset session authorization; reset role; reset all; deallocate all; unlisten *; \
        select pg_catalog.pg_advisory_unlock_all(); discard temp; discard sequences
        """
    /// What our limit grants the server's beyond its own, and bookkeeping beyond the command.
    private static let grace = Duration.seconds(10)

    let connection: PostgresConnection
    /// Names the backend in leases, together with `backendStartedAt`.
    let backendPID: Int32
    let backendStartedAt: String

    /// How it was opened: sessions with other databases are opened alike.
    private let configuration: PostgresConfiguration

    private init(
        connection: PostgresConnection, configuration: PostgresConfiguration, backendPID: Int32,
        backendStartedAt: String
    ) {
        self.connection = connection
        self.configuration = configuration
        self.backendPID = backendPID
        self.backendStartedAt = backendStartedAt
    }

    /// Opens a session and asks which backend it got.
    static func open(_ configuration: PostgresConfiguration) async throws(PostgresError) -> ExecutionSession {
        let connection = try await PostgresConnection.connect(configuration)
        let row = try await connection.query(
            "select * from monitoring_internal.session_identity()", timeout: Self.grace
        ).single()
        return ExecutionSession(
            connection: connection, configuration: configuration, backendPID: try row.decode("backend_pid"),
            backendStartedAt: try row.decode("backend_started_at"))
    }

    /// Executes a run and writes its end; never throws, since every end is an outcome.
    func execute(_ run: ClaimedRun, _ openTarget: TargetOpening? = nil) async -> Outcome {
        guard run.target.isEmpty else { return await executeElsewhere(run, openTarget) }
        var startedAt: ContinuousClock.Instant?
        do {
            switch run.mode {
            case .transaction: try await runInTransaction(run, &startedAt)
            case .procedure, .maintenance: try await runAtTopLevel(run, &startedAt)
            }
            return .succeeded
        } catch {
            guard !error.isConnectionLost, error.kind != .connection else { return .unknown }
            return await fail(run, error, startedAt)
        }
    }

    /// The effect and the end in one transaction: they commit together or not at all.
    private func runInTransaction(
        _ run: ClaimedRun, _ startedAt: inout ContinuousClock.Instant?
    ) async throws(PostgresError) {
        try await connection.execute(
            "begin; select monitoring_internal.start_run(\(run.id), \(run.fence))"
                + (run.runAs.map { "; set local role \($0)" } ?? ""), timeout: Self.grace)
        startedAt = Monotonic.now()
        // By the extended protocol, which takes one statement and no more; rows are dropped, however many come.
        let affectedRows = try await connection.run(run.command, timeout: run.timeout + Self.grace)
        try await connection.execute(
            // The end is written by the service itself, whatever role the command ran as.
            "reset role; select monitoring_internal.finish_run(\(run.id), \(run.fence), \(affectedRows)); commit; "
                + Self.reset, timeout: run.timeout + Self.grace)
    }

    /// A statement that ends transactions by itself; its own end is written afterwards.
    private func runAtTopLevel(
        _ run: ClaimedRun, _ startedAt: inout ContinuousClock.Instant?
    ) async throws(PostgresError) {
        try await connection.execute(
            "select monitoring_internal.start_run(\(run.id), \(run.fence))", timeout: Self.grace)
        if let role = run.runAs { try await connection.execute("set role \(role)", timeout: Self.grace) }
        let start = Monotonic.now()
        startedAt = start
        let affectedRows = try await connection.run(run.command, timeout: run.timeout + Self.grace)
        let elapsed = start.duration(to: Monotonic.now()).inSeconds * 1000
        // Unlocked first, so that the next run, which may come as soon as the end is seen, finds the lock free.
        try await connection.execute(
            "reset role; select pg_catalog.pg_advisory_unlock_all(); "
                + "select monitoring_internal.finish_run(\(run.id), \(run.fence), \(affectedRows), \(elapsed)); "
                + Self.reset, timeout: Self.grace)
    }

    /// A run in another database of the cluster or on a target, on a session of its own; its end is written here.
    private func executeElsewhere(_ run: ClaimedRun, _ openTarget: TargetOpening?) async -> Outcome {
        var startedAt: ContinuousClock.Instant?
        let there: PostgresConnection
        do throws(PostgresError) {
            there = try await openElsewhere(run, openTarget)
        } catch {
            return await fail(run, error, nil)
        }
        let outcome: Outcome
        do throws(PostgresError) {
            let (rows, elapsed) = try await execute(run, there, &startedAt)
            try await connection.execute(
                "select monitoring_internal.finish_run(\(run.id), \(run.fence), \(rows), \(elapsed)); " + Self.reset,
                timeout: Self.grace)
            outcome = .succeeded
        } catch {
            let isLost = error.isConnectionLost || error.kind == .connection
            outcome = isLost ? .unknown : await fail(run, error, startedAt)
        }
        // Not before the end is written: a run whose backend is gone is anybody's to settle.
        await there.close()
        return outcome
    }

    private func openElsewhere(
        _ run: ClaimedRun, _ openTarget: TargetOpening?
    ) async throws(PostgresError) -> PostgresConnection {
        do throws(PostgresError) {
            if run.isOnTarget {
                guard let openTarget else { throw Self.noTargets }
                return try await openTarget(run.target)
            }
            return try await PostgresConnection.connect(
                PostgresConfiguration(
                    conninfo: configuration.conninfo,
                    overrides: configuration.overrides.merging(["dbname": run.target]) { $1 },
                    password: configuration.password, applicationName: configuration.applicationName))
        } catch {
            // Nothing was begun: a failure of the run, not a lost session.
            var failure = error
            if failure.kind != .cancelled { failure.kind = .server }
            failure.sqlState = failure.sqlState ?? "08001"
            failure.isConnectionLost = false
            throw failure
        }
    }

    private func execute(
        _ run: ClaimedRun, _ there: PostgresConnection, _ startedAt: inout ContinuousClock.Instant?
    ) async throws(PostgresError) -> (rows: Int, elapsed: Double) {
        try await there.execute(try await bind(run, to: there), timeout: Self.grace)
        let start = Monotonic.now()
        startedAt = start
        let rows = try await there.run(run.command, timeout: run.timeout + Self.grace)
        if run.mode == .transaction { try await there.execute("commit", timeout: run.timeout + Self.grace) }
        return (rows, start.duration(to: Monotonic.now()).inSeconds * 1000)
    }

    /// Names the backend there in the lease; returns what to execute there first.
    private func bind(_ run: ClaimedRun, to there: PostgresConnection) async throws(PostgresError) -> String {
        let call: String
        var parameters: [String?] = [String(run.id), String(run.fence)]
        if run.isOnTarget {
            call = "bind_target_run($1, $2, $3::jsonb)"
            parameters.append(try await there.query(Self.facts, timeout: Self.grace).scalar)
        } else {
            let backend = try await there.query(
                "select pid, backend_start from pg_catalog.pg_stat_get_activity(pg_catalog.pg_backend_pid())",
                timeout: Self.grace
            ).single()
            call = "bind_run($1, $2, $3, $4)"
            parameters += [backend["pid"], backend["backend_start"]]
        }
        return try await connection.query(
            "select monitoring_internal.\(call)", parameters, timeout: Self.grace
        ).scalar ?? ""
    }

    /// What a session on a target says of itself: its backend, its cluster.
    private static let facts = """
        select pg_catalog.jsonb_build_object(
            'pid', activity.pid, 'backend_start', activity.backend_start,
            'system_identifier', system.system_identifier::text,
            'server_version_num', pg_catalog.current_setting('server_version_num')::integer,
            'server_version', pg_catalog.current_setting('server_version'))
        from pg_catalog.pg_stat_get_activity(pg_catalog.pg_backend_pid()) as activity
        cross join pg_catalog.pg_control_system() as system
        """

    private static let noTargets = PostgresError(
        kind: .usage, attempted: "connect", sqlState: "08001", message: "this service does not reach targets")

    private func fail(
        _ run: ClaimedRun, _ failure: PostgresError, _ startedAt: ContinuousClock.Instant?
    ) async -> Outcome {
        let elapsed = startedAt.map { $0.duration(to: Monotonic.now()).inSeconds * 1000 } ?? 0
        do {
            try await connection.execute("rollback; reset role; " + Self.reset, timeout: Self.grace)
            // Refused with the same code when the fence is stale; a job's own statement may raise that code too.
            let status = try await connection.query(
                "select monitoring_internal.fail_run($1, $2, $3, $4, $5, $6, $7)",
                [
                    String(run.id), String(run.fence), failure.sqlState, failure.message, failure.detail,
                    failure.hint, String(elapsed),
                ], timeout: Self.grace
            ).scalar
            return .failed(status: status ?? "failed", sqlState: failure.sqlState)
        } catch {
            return error.sqlState == Self.staleFence ? .stale : .unknown
        }
    }

    /// The run was given to another service, or reaped.
    private static let staleFence = "PV101"
}
