import Postgres
import Runtime

/// One session on a database that is not the store's own; it reads only, under limits of its own.
final class TargetSession: Sendable {
    let access: TargetAccess
    private let connection: PostgresConnection
    /// The server's process behind it, asked by SQL: a pooler shows another one at each transaction.
    private let backendPID: String
    private let inRecovery: String
    private let useCount = Lock(0)
    /// The names of prepared statements, by text: parsing and planning are most of what a collection costs a server.
    private let prepared = Lock<[String: String]>([:])
    private let preparations = Lock(0)
    private static let preparedLimit = 100

    /// For the statements around a collector's own: they take the server no time.
    private static let limit = Duration.seconds(5)

    init(access: TargetAccess, connection: PostgresConnection, backendPID: String, inRecovery: String) {
        self.access = access
        self.connection = connection
        self.backendPID = backendPID
        self.inRecovery = inRecovery
    }

    /// Whether the connection is still there.
    var isOpen: Bool { connection.isOpen }

    /// Collections that were begun on it.
    var uses: Int { useCount.withLock { $0 } }

    /// Ends the session.
    func close() async { await connection.close() }

    /// Makes a fresh connection's settings ours, in one statement, whatever role, database or pooler set before.
    ///
    /// - Throws: SQLSTATE 0A000 for a pooler that lends another server session to each transaction.
    static func prepare(
        _ connection: PostgresConnection, _ access: TargetAccess,
        secondConnection: () async throws(PostgresError) -> PostgresConnection
    ) async throws(PostgresError) -> TargetSession {
        try await connection.execute(Self.settings, timeout: limit)
        let row = try await connection.query(
            "select pg_backend_pid() as pid, pg_is_in_recovery() as in_recovery", timeout: limit
        ).single()
        let session = TargetSession(
            access: access, connection: connection, backendPID: try row.decode("pid", as: String.self),
            inRecovery: try row.decode("in_recovery", as: String.self))
        if session.backendPID != String(connection.backendPID) {
            try await session.refuseSharedServer(secondConnection)
        }
        return session
    }

    /// The process told at the start is not the server's, so a pooler is between: it must give us a session of our own.
    private func refuseSharedServer(
        _ secondConnection: () async throws(PostgresError) -> PostgresConnection
    ) async throws(PostgresError) {
        let second = try await secondConnection()
        let process = try await second.query("select pg_backend_pid()", timeout: Self.limit).scalar
        await second.close()
        // While this session is idle, a pooler of transactions lends its server to the second one.
        if process == backendPID { throw Self.sharedServer }
        try await begin(statement: 5000, lock: 100)
    }

    /// Sets the limits of the next collection; tells when the session is no longer what it was.
    ///
    /// - Throws: SQLSTATE 0A000 when a pooler gave us another server session, 57P01 when the server was promoted.
    func begin(statement: Int, lock: Int) async throws(PostgresError) {
        useCount.withLock { $0 += 1 }
        let row = try await connection.query(
            """
            select pg_backend_pid() as pid, pg_is_in_recovery() as in_recovery,
                set_config('statement_timeout', $1, false), set_config('lock_timeout', $2, false)
            """, [String(statement), String(lock)], timeout: Self.limit
        ).single()
        guard row["pid"] == backendPID else { throw Self.sharedServer }
        guard row["in_recovery"] == inRecovery else { throw Self.promoted }
    }

    /// Asks the server what it is: one value of JSON.
    func facts(_ query: String) async throws(PostgresError) -> String {
        try await connection.query(query, timeout: Self.limit).scalar ?? "{}"
    }

    /// The columns that a candidate gives here, or the server's refusal; it is not run.
    func describe(_ body: String) async throws(PostgresError) -> Result<[String], PostgresError> {
        do throws(PostgresError) {
            return .success(try await connection.describe(body, timeout: Self.limit))
        } catch {
            guard error.kind == .server, !error.isConnectionLost else { throw error }
            return .failure(error)
        }
    }

    /// Runs a collector's statement, which gives one row; it is planned once in a session's life.
    func answer(_ statement: String, patience: Duration) async throws(PostgresError) -> TargetAnswer {
        do throws(PostgresError) {
            return try await execute(statement, patience)
        } catch {
            // Its plan no longer fits: somebody changed what it reads.
            guard error.sqlState == "0A000", let name = forget(statement) else { throw error }
            try await connection.execute("deallocate \(name)", timeout: Self.limit)
            return try await execute(statement, patience)
        }
    }

    private func execute(_ statement: String, _ patience: Duration) async throws(PostgresError) -> TargetAnswer {
        let name = try await preparedName(of: statement, patience)
        return TargetAnswer(row: try await connection.query("execute \(name)", timeout: patience).single())
    }

    private func preparedName(of statement: String, _ patience: Duration) async throws(PostgresError) -> String {
        if let name = prepared.withLock({ $0[statement] }) { return name }
        if prepared.withLock({ $0.count }) >= Self.preparedLimit {
            try await connection.execute("deallocate all", timeout: Self.limit)
            prepared.withLock { $0 = [:] }
        }
        let number = preparations.withLock { count in
            count += 1
            return count
        }
        let name = "pgvigil_\(number)"
        try await connection.execute("prepare \(name) as\n\(statement)", timeout: patience)
        prepared.withLock { $0[statement] = name }
        return name
    }

    private func forget(_ statement: String) -> String? { prepared.withLock { $0.removeValue(forKey: statement) } }

    private static let sharedServer = PostgresError(
        kind: .server, attempted: "connect", sqlState: "0A000",
        message: "a pooler in transaction mode stands before the server; "
            + "name the server itself, or a pool in session mode")

    private static let promoted = PostgresError(
        kind: .server, attempted: "query", sqlState: "57P01", message: "the server was promoted or demoted",
        isConnectionLost: true)

    private static let settings = """
        set default_transaction_read_only = on; set statement_timeout = '5s'; set lock_timeout = '100ms';
        set idle_in_transaction_session_timeout = '10s'; set jit = off; set max_parallel_workers_per_gather = 0;
        set work_mem = '16MB'; set search_path = pg_catalog; set stats_fetch_consistency = none;
        set application_name = 'pgvigil'; set datestyle = 'ISO'; set intervalstyle = 'postgres';
        set extra_float_digits = 1; set bytea_output = 'hex'; set timezone = 'UTC';
        set client_min_messages = warning; set standard_conforming_strings = on; set row_security = off
        """
}
