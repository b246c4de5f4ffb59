package import Postgres
import Runtime

/// One kept session on which collectors run, each as a statement of its own under its own time limits.
package struct CollectionSession: Sendable {
    private let connection: PostgresConnection
    /// The service instance that claims are made for; nil for a person's run by hand.
    private let instanceID: String?

    /// For the statements around a run: claiming, reporting, asking for the next due time.
    private static let ownTimeout = Duration.seconds(10)

    /// Opens the session.
    ///
    /// - Throws: as `PostgresConnection.connect` does.
    package static func open(
        _ configuration: PostgresConfiguration, instanceID: String?
    ) async throws(PostgresError) -> CollectionSession {
        let session = CollectionSession(
            connection: try await PostgresConnection.connect(configuration), instanceID: instanceID)
        try await session.setLimits(statement: ownTimeout.millisecondsRoundedUp, lock: 5000)
        return session
    }

    /// Whether the connection is still there.
    package var isOpen: Bool { connection.isOpen }

    /// Ends the session.
    package func close() async { await connection.close() }

    /// Runs the named collectors now, all that are enabled when none is named, whether due or not.
    ///
    /// - Throws: SQLSTATE PV402 for an unknown name; connection errors.
    package func collect(
        _ names: [String], onRun: @Sendable (CollectionRun) -> Void
    ) async throws(PostgresError) {
        let list = "{" + names.map(Self.quotedElement).joined(separator: ",") + "}"
        let claims = try await claimed(
            "select * from monitoring_internal.claim_named_collections($1::uuid, $2::text[])", [instanceID, list])
        for claim in claims {
            onRun(try await run(claim))
        }
    }

    /// Leases the collector that has been due for the longest; nil when none is due.
    func claimNext() async throws(PostgresError) -> ClaimedCollection? {
        try await claimed("select * from monitoring_internal.claim_collections($1::uuid, 1)", [instanceID]).first
    }

    /// How long until a collector is due; nil when there is none.
    func delayUntilNext() async throws(PostgresError) -> Duration? {
        let answer = try await connection.query(
            "select monitoring_internal.next_collection_delay()", timeout: Self.ownTimeout)
        guard let text = answer.scalar, let seconds = Double(text) else { return nil }
        return .seconds(seconds)
    }

    /// Runs a leased collector and, when its statement is aborted, reports why.
    ///
    /// - Throws: connection errors, cancellation, SQLSTATE PV403 when the lease went to another.
    func run(_ claim: ClaimedCollection) async throws(PostgresError) -> CollectionRun {
        do throws(PostgresError) {
            try await setLimits(
                statement: Int64(claim.statementTimeoutMilliseconds), lock: Int64(claim.lockTimeoutMilliseconds))
            let rows = try await connection.query(
                "select * from monitoring_internal.run_collection($1::integer, $2::bigint)",
                [String(claim.collectorID), String(claim.fence)], timeout: claim.patience)
            return try CollectionRun(name: claim.name, row: rows.single())
        } catch {
            guard connection.isOpen, error.kind != .cancelled, error.sqlState != "PV403" else { throw error }
            return try await report(error, of: claim)
        }
    }

    /// Has the database log a run that did not get to its own end.
    func report(_ error: PostgresError, of claim: ClaimedCollection) async throws(PostgresError) -> CollectionRun {
        try await setLimits(statement: Self.ownTimeout.millisecondsRoundedUp, lock: 5000)
        let rows = try await connection.query(
            "select * from monitoring_internal.finish_collection($1::integer, $2::bigint, $3, $4, $5)",
            [
                String(claim.collectorID), String(claim.fence), Self.status(of: error), error.message,
                error.sqlState,
            ], timeout: Self.ownTimeout)
        return try CollectionRun(name: claim.name, row: rows.single())
    }

    /// What the database cannot tell by the SQLSTATE alone; nil leaves it to the database.
    private static func status(of error: PostgresError) -> String? {
        // Not the collector's fault: the server went, or a person ended the session.
        if error.isConnectionLost { return "skipped" }
        return switch error.kind {
        case .timeout: "timed_out"
        case .connection, .cancelled: "skipped"
        case .server, .usage: nil
        }
    }

    private func claimed(_ sql: String, _ parameters: [String?]) async throws(PostgresError) -> [ClaimedCollection] {
        let rows = try await connection.query(sql, parameters, timeout: Self.ownTimeout)
        var claims: [ClaimedCollection] = []
        for row in rows { claims.append(try ClaimedCollection(row: row)) }
        return claims
    }

    /// Time limits count from here only at top level: set inside a function, statement_timeout does nothing.
    private func setLimits(statement: Int64, lock: Int64) async throws(PostgresError) {
        try await connection.execute(
            """
            set statement_timeout = \(statement);
            set lock_timeout = \(lock);
            set idle_in_transaction_session_timeout = '10s'
            """, timeout: Self.ownTimeout)
    }

    /// An element of an array in PostgreSQL's text form.
    private static func quotedElement(_ text: String) -> String {
        var quoted = "\""
        for character in text {
            if character == "\"" || character == "\\" { quoted.append("\\") }
            quoted.append(character)
        }
        return quoted + "\""
    }
}
