package import Postgres
package import Runtime

/// Rebuilds indexes of partitions that are invalid or bloated, each concurrently, by a statement of a session: no function
/// and no transaction may run it.
package struct IndexRebuilder: Service {
    /// The name that log lines carry.
    package let name = "index rebuilding"

    /// What became of one index.
    package struct Outcome: Sendable, Equatable {
        /// The statement that ran.
        package let statement: String
        /// What the server said; nil when it went well.
        package let error: String?
    }

    private let configuration: PostgresConfiguration
    private let shutdown: GracefulShutdown
    private let log: Log
    private let clock: any Clock<Duration>

    /// How long between two looks.
    private static let pause = Duration.seconds(3600)
    private static let ownLimit = Duration.seconds(60)

    /// Works with the login of `configuration`, which must be a member of monitoring_owner.
    package init(
        configuration: PostgresConfiguration, shutdown: GracefulShutdown, log: Log,
        clock: any Clock<Duration> = ContinuousClock()
    ) {
        self.configuration = configuration
        self.shutdown = shutdown
        self.log = log
        self.clock = clock
    }

    /// Looks once an hour until shutdown is asked for; a rebuild that was begun is cancelled then.
    package func run() async throws {
        while await shutdown.sleep(for: Self.pause, clock: clock) {
            do {
                for outcome in try await shutdown.withCancellationOnRequest({ try await round() }) {
                    log.info(
                        "index_rebuilt", ["statement": outcome.statement, "failed": outcome.error == nil ? "" : "yes"])
                }
            } catch {
                if error is CancellationError { return }
                let problem = error as? PostgresError
                log.warning(
                    "index_rebuild_interrupted",
                    ["error": problem?.description ?? "\(error)", "sqlstate": problem?.sqlState ?? ""])
            }
        }
    }

    /// Rebuilds all that is to be rebuilt.
    ///
    /// - Throws: SQLSTATE 42501 when the login may not act as the owner; nothing was begun then.
    package func round() async throws -> [Outcome] {
        let connection = try await PostgresConnection.connect(configuration)
        do {
            try await connection.execute("set role monitoring_owner; reset role", timeout: Self.ownLimit)
            var outcomes: [Outcome] = []
            while !shutdown.isRequested, let outcome = try await next(connection) { outcomes.append(outcome) }
            await connection.close()
            return outcomes
        } catch {
            await connection.close()
            throw error
        }
    }

    private func next(_ connection: PostgresConnection) async throws(PostgresError) -> Outcome? {
        let claim = try await connection.query(
            "select * from monitoring_internal.claim_rebuild()", timeout: Self.ownLimit)
        guard let claim = claim.first else { return nil }
        let statement = try claim.decode("statement", as: String.self)
        var failure: PostgresError?
        do throws(PostgresError) {
            try await connection.execute("set role monitoring_owner", timeout: Self.ownLimit)
            try await connection.execute("set lock_timeout = '30s'", timeout: Self.ownLimit)
            try await connection.execute(statement)
        } catch {
            if error.isConnectionLost || error.kind == .cancelled { throw error }
            failure = error
        }
        try await connection.execute("reset role", timeout: Self.ownLimit)
        _ = try await connection.query(
            "select monitoring_internal.finish_rebuild($1::bigint, $2)",
            [claim["index_rebuild_id"], failure?.message], timeout: Self.ownLimit)
        return Outcome(statement: statement, error: failure?.message)
    }
}
