import Postgres
import Runtime

/// Kept sessions on all targets of this process, few at a time.
final class TargetSessions: Sendable {
    private let connector: TargetConnector
    private let pool: Lock<TargetPool<TargetSession>>

    /// How long a session nobody uses is kept.
    static let idleLimit = Duration.seconds(90)

    init(connector: TargetConnector, limit: Int) {
        self.connector = connector
        pool = Lock(TargetPool(limit: limit))
    }

    /// The number of sessions that exist or are being opened.
    var count: Int { pool.withLock { $0.count } }

    /// A session for one collection, and whether it was there already.
    ///
    /// - Throws: SQLSTATE 53300 when all that the target allows are in use; else as connecting does.
    func take(_ target: TargetDescription) async throws(PostgresError) -> (session: TargetSession, isKept: Bool) {
        while true {
            let (turn, closing) = pool.withLock { $0.take(target.access, allowed: target.sessionLimit) }
            for session in closing { await session.close() }
            switch turn {
            case .busy: throw Self.busy
            case .open: return (try await open(target), false)
            case .use(let session):
                if session.isOpen { return (session, true) }
                lose(session)
            }
        }
    }

    /// Keeps a session for the next collection, unless it was lost.
    func giveBack(_ session: TargetSession) {
        guard session.isOpen else { return lose(session) }
        pool.withLock { $0.giveBack(session, session.access, uses: session.uses, now: Monotonic.now()) }
    }

    /// Closes a session that is of no more use.
    func discard(_ session: TargetSession) async {
        lose(session)
        await session.close()
    }

    /// Closes the idle sessions of a target: its server is no longer what it was.
    func forget(_ targetID: Int) async {
        for session in pool.withLock({ $0.forget(targetID) }) { await session.close() }
    }

    /// Closes what nobody used for long; everything that is idle at the end.
    func closeIdle(all: Bool = false) async {
        let instant = all ? nil : Monotonic.now() - Self.idleLimit
        for session in pool.withLock({ $0.closeIdle(since: instant) }) { await session.close() }
    }

    private func lose(_ session: TargetSession) { pool.withLock { $0.lose(session.access) } }

    private func open(_ target: TargetDescription) async throws(PostgresError) -> TargetSession {
        do throws(PostgresError) {
            let connection = try await connector.connect(target)
            do throws(PostgresError) {
                return try await TargetSession.prepare(connection, target.access) { () throws(PostgresError) in
                    try await connector.connect(target)
                }
            } catch {
                await connection.close()
                throw error
            }
        } catch {
            pool.withLock { $0.lose(target.access) }
            throw error
        }
    }

    private static let busy = PostgresError(
        kind: .usage, attempted: "connect", sqlState: "53300",
        message: "all sessions that the target allows are in use")
}
