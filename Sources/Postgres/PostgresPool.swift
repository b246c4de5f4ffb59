package import Runtime

/// Up to a fixed number of sessions, opened when needed and kept; those in need wait in line.
package final class PostgresPool: Sendable {
    private enum Turn: Sendable {
        case use(PostgresConnection)
        case open
        case refused(PostgresError)
    }

    private struct State {
        var pool: PoolState<PostgresConnection>
        var nextID: UInt64 = 0
        var waiters: [UInt64: CheckedContinuation<Turn, Never>] = [:]

        mutating func enter(
            _ id: UInt64, _ continuation: CheckedContinuation<Turn, Never>, _ cancellation: Flag
        ) -> Turn? {
            if cancellation.isSet { return .refused(Session.cancelled("acquire")) }
            switch pool.acquire(id) {
            case .take(let connection): return .use(connection)
            case .open: return .open
            case .refused: return .refused(PostgresPool.closed)
            case .wait:
                waiters[id] = continuation
                return nil
            }
        }

        /// Leaves the line; one whose turn came keeps its turn.
        mutating func leave(_ id: UInt64) -> CheckedContinuation<Turn, Never>? {
            pool.abandon(id) ? waiters.removeValue(forKey: id) : nil
        }
    }

    private let configuration: PostgresConfiguration
    private let backoff: Backoff
    private let openLimit: Duration
    private let resetScript: String?
    private let clock: any Clock<Duration>
    private let state: Lock<State>

    /// A pool of `size` sessions.
    ///
    /// Opening retries for `openLimit`; `resetScript`, such as `discard all`, runs when a session comes back.
    package init(
        _ configuration: PostgresConfiguration, size: Int, backoff: Backoff = Backoff(),
        openLimit: Duration = .seconds(10), resetScript: String? = nil, clock: any Clock<Duration> = ContinuousClock()
    ) {
        precondition(size > 0, "a pool needs at least one session")
        self.configuration = configuration
        self.backoff = backoff
        self.openLimit = openLimit
        self.resetScript = resetScript
        self.clock = clock
        state = Lock(State(pool: PoolState(size: size)))
    }

    /// Lends a session to `body`; a transaction that it leaves open is rolled back.
    ///
    /// - Throws: what `body` throws, or the failure to open a session, or kind `cancelled` while waiting in line.
    package func withConnection<R>(_ body: (PostgresConnection) async throws -> R) async throws -> R {
        let connection = try await acquire()
        do {
            let result = try await body(connection)
            await giveBack(connection)
            return result
        } catch {
            await giveBack(connection)
            throw error
        }
    }

    /// Refuses new use, closes idle sessions at once and those in use when they come back.
    package func close() async {
        let (idle, waiters) = state.withLock { state in
            let (idle, waiting) = state.pool.close()
            return (idle, waiting.compactMap { state.waiters.removeValue(forKey: $0) })
        }
        for waiter in waiters { waiter.resume(returning: .refused(Self.closed)) }
        for connection in idle { await connection.close() }
    }

    /// The number of sessions that exist or are being opened.
    package var openCount: Int { state.withLock { $0.pool.count } }

    // MARK: Acquiring

    private func acquire() async throws(PostgresError) -> PostgresConnection {
        while true {
            switch await turn() {
            case .refused(let error): throw error
            case .open: return try await open()
            case .use(let connection):
                if connection.isOpen { return connection }
                perform(state.withLock { $0.pool.lose() })
            }
        }
    }

    private func open() async throws(PostgresError) -> PostgresConnection {
        do throws(PostgresError) {
            return try await PostgresConnection.connect(
                configuration, retrying: backoff, limit: openLimit, clock: clock)
        } catch {
            perform(state.withLock { $0.pool.lose() })
            throw error
        }
    }

    /// Waits in line until it is our turn.
    private func turn() async -> Turn {
        let cancellation = Flag()
        let id = state.withLock { state in
            state.nextID += 1
            return state.nextID
        }
        return await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let turn = state.withLock { $0.enter(id, continuation, cancellation) }
                if let turn { continuation.resume(returning: turn) }
            }
        } onCancel: {
            cancellation.set()
            let waiter = state.withLock { $0.leave(id) }
            waiter?.resume(returning: .refused(Session.cancelled("acquire")))
        }
    }

    // MARK: Giving back

    private func giveBack(_ connection: PostgresConnection) async {
        if await makeClean(connection) {
            perform(state.withLock { $0.pool.release(connection) })
        } else {
            await connection.close()
            perform(state.withLock { $0.pool.lose() })
        }
    }

    private func makeClean(_ connection: PostgresConnection) async -> Bool {
        do {
            if connection.isInTransaction { try await connection.execute("rollback", timeout: .seconds(5)) }
            if let resetScript { try await connection.execute(resetScript, timeout: .seconds(5)) }
            return connection.isOpen
        } catch {
            return false
        }
    }

    private func perform(_ release: PoolState<PostgresConnection>.Release) {
        switch release {
        case .none: return
        case .discard(let connection): connection.stop()
        case .hand(let connection, let waiter): wake(waiter, .use(connection))
        case .openFor(let waiter): wake(waiter, .open)
        }
    }

    private func wake(_ waiter: UInt64, _ turn: Turn) {
        state.withLock { $0.waiters.removeValue(forKey: waiter) }?.resume(returning: turn)
    }

    private static let closed = PostgresError(kind: .connection, attempted: "acquire", message: "the pool is closed")
}
