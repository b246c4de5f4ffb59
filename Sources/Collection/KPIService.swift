package import Postgres
package import Runtime

/// Measures due KPIs, each as a statement of its own under its own time limit; any number of services may do so.
package struct KPIService: Service {
    /// The name that log lines carry.
    package let name = "business metrics"

    private let configuration: PostgresConfiguration
    private let instanceID: String
    private let shutdown: GracefulShutdown
    private let log: Log
    private let clock: any Clock<Duration>

    /// The longest sleep: until then a KPI that was just defined waits.
    private static let longest = Duration.seconds(60)
    /// For the statements around a run.
    private static let ownTimeout = Duration.seconds(10)

    /// Measures for `instanceID`, a UUID.
    package init(
        configuration: PostgresConfiguration, instanceID: String, shutdown: GracefulShutdown, log: Log,
        clock: any Clock<Duration> = ContinuousClock()
    ) {
        self.configuration = configuration
        self.instanceID = instanceID
        self.shutdown = shutdown
        self.log = log
        self.clock = clock
    }

    /// Measures until shutdown is asked for; a run that was begun is finished.
    package func run() async throws {
        var backoff = Backoff()
        while !shutdown.isRequested, !Task.isCancelled {
            var pause: Duration
            do throws(PostgresError) {
                pause = try await round()
                backoff.reset()
            } catch {
                guard error.kind != .cancelled else { return }
                pause = backoff.next()
                log.warning(
                    "business_metrics_interrupted",
                    ["error": error.description, "sqlstate": error.sqlState ?? ""])
            }
            guard await shutdown.sleep(for: pause, clock: clock) else { return }
        }
    }

    /// Measures what is due, on a session that ends with it, so that nothing a query did lives on; the sleep after it.
    package func round() async throws(PostgresError) -> Duration {
        var connection = try await PostgresConnection.connect(configuration)
        while !shutdown.isRequested, let claim = try await claimNext(connection) {
            if let error = try await measure(claim, on: connection) {
                log.warning(
                    "kpi_unfinished", ["kpi": claim.name, "tenant": claim.tenant, "sqlstate": error.sqlState ?? ""])
                if error.sqlState == "PV804" { continue }
                // A query that does not let itself be cancelled ends with its session.
                if error.kind == .timeout || !connection.isOpen {
                    await connection.close()
                    connection = try await PostgresConnection.connect(configuration)
                }
                try await report(error, of: claim, on: connection)
            }
        }
        let delay = try await connection.query(
            "select monitoring_internal.next_kpi_delay()", timeout: Self.ownTimeout
        ).scalar.flatMap { Double($0) }
        await connection.close()
        return max(.seconds(1), min(delay.map { .seconds($0) } ?? Self.longest, Self.longest))
    }

    private struct Claim: Sendable {
        let key: [String]
        let name: String
        let tenant: String
        let milliseconds: Int
    }

    private func claimNext(_ connection: PostgresConnection) async throws(PostgresError) -> Claim? {
        try await setLimit(Self.ownTimeout.millisecondsRoundedUp, on: connection)
        let rows = try await connection.query(
            "select * from monitoring_internal.claim_kpis($1::uuid, 1)", [instanceID], timeout: Self.ownTimeout)
        guard let row = rows.first else { return nil }
        return Claim(
            key: [row["kpi_definition_id"] ?? "", row["tenant_id"] ?? "", row["fence"] ?? ""],
            name: row["name"] ?? "", tenant: row["tenant_name"] ?? "",
            milliseconds: try row.decode("statement_timeout_ms", as: Int.self))
    }

    /// Runs a claimed KPI; the error that it has to be reported with, when it did not get to its own end.
    private func measure(
        _ claim: Claim, on connection: PostgresConnection
    ) async throws(PostgresError) -> PostgresError? {
        do throws(PostgresError) {
            try await setLimit(Int64(claim.milliseconds), on: connection)
            _ = try await connection.query(
                "select monitoring_internal.run_kpi($1::integer, $2::uuid, $3::bigint)", claim.key,
                timeout: .milliseconds(claim.milliseconds) + .seconds(3))
            return nil
        } catch {
            if error.kind == .cancelled { throw error }
            return error
        }
    }

    private func report(
        _ error: PostgresError, of claim: Claim, on connection: PostgresConnection
    ) async throws(PostgresError) {
        try await setLimit(Self.ownTimeout.millisecondsRoundedUp, on: connection)
        let isTimeout = error.kind == .timeout
        do throws(PostgresError) {
            _ = try await connection.query(
                "select monitoring_internal.finish_kpi($1::integer, $2::uuid, $3::bigint, $4, $5, $6)",
                claim.key + [
                    isTimeout ? "timed_out" : error.isConnectionLost ? "skipped" : nil, error.message,
                    error.sqlState,
                ], timeout: Self.ownTimeout)
        } catch {
            // The lease ran out meanwhile: whoever took it over reports.
            guard error.sqlState == "PV804" else { throw error }
        }
    }

    /// Time limits count from here only at top level: set inside a function, statement_timeout does nothing.
    private func setLimit(_ milliseconds: Int64, on connection: PostgresConnection) async throws(PostgresError) {
        try await connection.execute(
            """
            set statement_timeout = \(milliseconds);
            set lock_timeout = '2s';
            set idle_in_transaction_session_timeout = '10s'
            """, timeout: Self.ownTimeout)
    }
}
