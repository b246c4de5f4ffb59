import Postgres
import Runtime

/// The session advisory lock that lets one migration at a time work on a database.
///
/// It is asked for again and again from an idle session: a session that waits inside `pg_advisory_lock` holds a
/// snapshot, for which `create index concurrently` waits, which holds the lock. Advisory locks belong to one database.
struct MigrationLock {
    /// "pgvi" and "gil" with a version, as two integers.
    static let key = "1885828713, 1734962177"
    private static let held = """
        select exists (
            select from pg_catalog.pg_locks
            where locktype = 'advisory' and pid = pg_backend_pid() and granted
                and database = (select oid from pg_catalog.pg_database where datname = current_database())
                and (classid, objid, objsubid) = (1885828713, 1734962177, 2))
        """
    private static let holder = """
        select lock.pid, coalesce(session.application_name, '') as application_name,
            coalesce(session.usename, '') as usename,
            coalesce(date_trunc('second', clock_timestamp() - session.backend_start)::text, '?') as age
        from pg_catalog.pg_locks as lock
        left join pg_catalog.pg_stat_activity as session on session.pid = lock.pid
        where lock.locktype = 'advisory' and lock.granted
            and lock.database = (select oid from pg_catalog.pg_database where datname = current_database())
            and (lock.classid, lock.objid, lock.objsubid) = (1885828713, 1734962177, 2)
        """

    let connection: PostgresConnection

    /// Waits until the lock is ours, at most `limit`.
    /// - Throws: `MigrationFault` of kind lockNotObtained that names the holder.
    static func take(
        _ connection: PostgresConnection, limit: Duration, onWait: (String) -> Void
    ) async throws -> MigrationLock {
        let deadline = Monotonic.now() + limit
        var backoff = Backoff(base: .milliseconds(50), limit: .milliseconds(500))
        var hasSaid = false
        while true {
            if try await connection.query("select pg_try_advisory_lock(\(key))").scalar == "t" {
                return MigrationLock(connection: connection)
            }
            let who = try await describeHolder(connection)
            if !hasSaid { onWait(who) }
            hasSaid = true
            guard Monotonic.now() < deadline else {
                throw MigrationFault(
                    .lockNotObtained, "another migration of this database is running: \(who)",
                    remedy: "wait for it and run again, or allow more time with --lock-wait")
            }
            try await Task.sleep(for: backoff.next())
        }
    }

    /// Fails when the lock is not in this very server process: something between us hands out other sessions.
    /// - Throws: `MigrationFault` of kind poolerBetween.
    func prove() async throws {
        guard try await connection.query(Self.held).scalar != "t" else { return }
        throw MigrationFault.poolerBetween("the session that took the migration lock is not the one that holds it")
    }

    func release() async throws(PostgresError) {
        _ = try await connection.query("select pg_advisory_unlock(\(Self.key))")
    }

    private static func describeHolder(_ connection: PostgresConnection) async throws(PostgresError) -> String {
        guard let row = try await connection.query(holder).first else { return "it has just ended" }
        let pid = row["pid"] ?? "?"
        return "server process \(pid) (\(row["application_name"] ?? ""), role \(row["usename"] ?? "")), "
            + "connected for \(row["age"] ?? "?")"
    }
}

extension MigrationFault {
    static func poolerBetween(_ evidence: String) -> MigrationFault {
        MigrationFault(
            .poolerBetween, "a connection pooler stands between pgvigil and the server: \(evidence)",
            remedy: "connect to the server itself; locks of a session mean nothing behind a pooler")
    }
}
