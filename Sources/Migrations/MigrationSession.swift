import Postgres
import Runtime

/// The one session that migrates: its settings, and transactions that are tried again when a table is busy.
struct MigrationSession: Sendable {
    let connection: PostgresConnection
    let options: Migrator.Options
    let onEvent: @Sendable (MigrationEvent) -> Void

    /// client_connection_check_interval: a statement whose client was killed ends, and with it our lock.
    static let settings = """
        set search_path = pg_catalog, pg_temp; set timezone = 'UTC';
        set datestyle = 'ISO'; set intervalstyle = 'postgres'; set bytea_output = 'hex';
        set standard_conforming_strings = on; set default_transaction_read_only = off;
        set default_transaction_isolation = 'read committed'; set default_transaction_deferrable = off;
        set statement_timeout = 0; set idle_in_transaction_session_timeout = 0; set row_security = on;
        set idle_session_timeout = 0; set client_min_messages = warning; set lock_timeout = 0;
        set client_connection_check_interval = '1s'; set quote_all_identifiers = off;
        """

    /// Opens the session and makes its settings our own, whatever the role, the database or the environment set.
    static func open(
        _ database: PostgresConfiguration, _ options: Migrator.Options,
        onEvent: @escaping @Sendable (MigrationEvent) -> Void
    ) async throws -> MigrationSession {
        let connection = try await PostgresConnection.connect(database)
        do {
            try await connection.execute("set client_encoding = 'UTF8'")
            try Preflight.check(serverVersion: connection.serverVersion)
            try await connection.execute(settings)
            try await Preflight.check(connection)
        } catch {
            await connection.close()
            throw error
        }
        return MigrationSession(connection: connection, options: options, onEvent: onEvent)
    }

    /// Runs `body` in one transaction, and again while what stops it is another session's lock or chance.
    ///
    /// The time for all attempts is `options.retryFor`; each waits at most `options.lockTimeout` for one lock.
    /// - Throws: `MigrationFault` of kind lockNotObtained, or what `body` throws.
    func transaction(
        named name: String, meetsOtherDatabases: Bool = false, _ body: () async throws -> Void
    ) async throws {
        try await retrying(name, meetsOtherDatabases: meetsOtherDatabases) {
            try await connection.execute("begin; set local lock_timeout = \(options.lockTimeout.millisecondsRoundedUp)")
            do {
                try await body()
                try await connection.execute("commit")
            } catch {
                if connection.isOpen { try? await connection.execute("rollback") }
                throw error
            }
        }
    }

    /// Tries `body` until it passes, fails for a reason of its own, or the time for retries is over.
    func retrying(
        _ name: String, meetsOtherDatabases: Bool = false, _ body: () async throws -> Void
    ) async throws {
        let deadline = Monotonic.now() + options.retryFor
        var backoff = Backoff(base: .milliseconds(100), limit: .seconds(2))
        while true {
            do {
                return try await body()
            } catch {
                guard let cause = Self.serverError(in: error),
                    Self.isWorthRetrying(cause, meetsOtherDatabases: meetsOtherDatabases)
                else { throw error }
                guard Monotonic.now() < deadline else { throw try await busy(name, cause) }
                onEvent(.retrying(name: name, reason: cause.message))
            }
            try await Task.sleep(for: backoff.next())
        }
    }

    /// The server's error inside an error of ours.
    private static func serverError(in error: any Error) -> PostgresError? {
        (error as? PostgresError) ?? (error as? StatementFailure)?.cause
    }

    /// Whether the same attempt may pass later.
    ///
    /// Roles belong to the cluster: two databases that install at once meet there, and the loser has to look again.
    private static func isWorthRetrying(_ error: PostgresError, meetsOtherDatabases: Bool) -> Bool {
        switch error.sqlState {
        case "55P03", "40P01", "40001": true
        case "XX000": error.message.contains("tuple concurrently")
        case "23505", "42710": meetsOtherDatabases
        default: false
        }
    }

    private func busy(_ name: String, _ cause: PostgresError) async throws -> any Error {
        guard cause.sqlState == "55P03" else { return cause }
        let who = try await connection.query(
            """
            select 'server process ' || session.pid || ' (' || coalesce(session.application_name, '') || ', '
                || coalesce(session.state, '?') || ', transaction open for '
                || coalesce(date_trunc('second', clock_timestamp() - session.xact_start)::text, '?') || ') holds '
                || lock.mode || ' on ' || lock.relation::regclass::text
            from pg_catalog.pg_locks as lock
            join pg_catalog.pg_stat_activity as session on session.pid = lock.pid
            join pg_catalog.pg_class as relation on relation.oid = lock.relation
            join pg_catalog.pg_namespace as schema on schema.oid = relation.relnamespace
            where lock.granted and lock.pid <> pg_backend_pid() and schema.nspname like 'monitoring%'
                and lock.database = (select oid from pg_catalog.pg_database where datname = current_database())
            order by session.xact_start limit 1
            """
        ).scalar
        return MigrationFault(
            .lockNotObtained,
            "\(name) could not lock what it changes within \(options.retryFor): \(who ?? cause.message)",
            remedy: "nothing was changed; end that session's transaction and run again")
    }
}
