import Postgres

/// The session by which a service claims runs, keeps its leases and hears of news; one call of SQL each.
struct ControlSession: Sendable {
    /// The channel on which the database says that a run was asked for or a definition changed.
    static let channel = "pgvigil_jobs"
    /// A call that takes longer means that the server hangs.
    private static let limit = Duration.seconds(15)

    let connection: PostgresConnection
    let instance: InstanceID

    /// Opens the session and makes the service known.
    static func open(
        _ settings: SchedulerSettings, instance: InstanceID, process: ProcessIdentity
    ) async throws(PostgresError) -> ControlSession {
        let session = ControlSession(
            connection: try await PostgresConnection.connect(settings.control), instance: instance)
        _ = try await session.call(
            "select monitoring_internal.register_instance($1, $2, $3, $4)",
            [instance.description, process.hostName, String(process.id), settings.version])
        return session
    }

    /// Opens what is due and leases it to these sessions.
    func claim(for sessions: [ExecutionSession]) async throws(PostgresError) -> Claim {
        let backends = "{" + sessions.map { String($0.backendPID) }.joined(separator: ",") + "}"
        let starts = "{" + sessions.map { "\"\($0.backendStartedAt)\"" }.joined(separator: ",") + "}"
        return try Claim(
            rows: try await call(
                "select * from monitoring_internal.claim_due($1, $2, $3)", [instance.description, backends, starts]))
    }

    /// Says that the service lives and still works on what it holds; returns how long its leases last from now on.
    ///
    /// An answer that comes after `remaining` comes too late.
    func extendLeases(within remaining: Duration?) async throws(PostgresError) -> Duration {
        let rows = try await connection.query(
            """
            select monitoring_internal.extend_leases($1) as extended,
                floor(extract(epoch from monitoring_internal.setting_interval('scheduling.lease')) * 1000)::bigint as ms
            """, [instance.description], timeout: min(Self.limit, max(remaining ?? Self.limit, .seconds(1))))
        return .milliseconds(try rows.single().decode("ms", as: Int64.self))
    }

    /// Settles the runs of lost sessions, of this service and any other.
    func reap() async throws(PostgresError) -> PostgresRows {
        try await call("select * from monitoring_internal.reap_runs()", [])
    }

    /// The runs on targets about which their servers are to be asked.
    func lostTargetRuns() async throws(PostgresError) -> [LostTargetRun] {
        var runs: [LostTargetRun] = []
        for row in try await call("select * from monitoring_internal.lost_target_runs()", []) {
            runs.append(try LostTargetRun(row: row))
        }
        return runs
    }

    /// Hands over what a server said of a run, or why it said nothing; returns what became of the run.
    func settle(_ run: LostTargetRun, facts: String?, message: String?) async throws(PostgresError) -> String {
        try await call(
            "select monitoring_internal.settle_target_run($1, $2, $3::jsonb, $4)",
            [String(run.id), String(run.fence), facts, message]
        ).scalar ?? ""
    }

    /// Lets the lease of a run end whose session was lost; false when the run had ended after all.
    func abandon(_ run: ClaimedRun) async throws(PostgresError) -> Bool {
        try await call("select monitoring_internal.abandon_run($1, $2)", [String(run.id), String(run.fence)]).scalar
            == "t"
    }

    /// Gives back a run that was not started.
    func release(_ run: ClaimedRun) async throws(PostgresError) {
        _ = try await call("select monitoring_internal.release_run($1, $2)", [String(run.id), String(run.fence)])
    }

    /// Brings the jobs of a file into force; one row a job or a fault.
    func apply(_ jobs: JobsDocument) async throws(PostgresError) -> PostgresRows {
        try await call(
            "select * from monitoring_internal.apply_jobs($1, $2, $3)",
            [jobs.source, String(jobs.generation), jobs.json])
    }

    /// Cancels whatever backends execute for this service.
    func cancelAll() async throws(PostgresError) {
        _ = try await call(
            "select pg_catalog.pg_cancel_backend(pid) from monitoring_internal.held_backends($1) as pid",
            [instance.description])
        _ = try await call("select monitoring_internal.cancel_target_runs($1)", [instance.description])
    }

    /// Says that no new runs are taken.
    func drain() async throws(PostgresError) {
        _ = try await call("select monitoring_internal.drain_instance($1)", [instance.description])
    }

    /// Says goodbye.
    func leave() async throws(PostgresError) {
        _ = try await call("select monitoring_internal.leave_instance($1)", [instance.description])
    }

    private func call(_ sql: String, _ parameters: [String?]) async throws(PostgresError) -> PostgresRows {
        try await connection.query(sql, parameters, timeout: Self.limit)
    }
}
