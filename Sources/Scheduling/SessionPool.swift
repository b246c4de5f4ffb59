import Postgres
import Runtime

/// The kept execution sessions of one service: which are free, how many may be opened, which have idled too long.
final class SessionPool: Sendable {
    private struct Idle {
        let session: ExecutionSession
        let since: ContinuousClock.Instant
    }

    private struct State {
        var idle: [Idle] = []
        var busy: [Int64: ExecutionSession] = [:]
        var opening = 0

        var total: Int { idle.count + busy.count + opening }
    }

    private let state = Lock(State())
    private let settings: SchedulerSettings

    init(settings: SchedulerSettings) { self.settings = settings }

    /// The free sessions that still live; the others are forgotten.
    func idle() -> [ExecutionSession] {
        state.withLock { state in
            state.idle.removeAll { !$0.session.connection.isOpen }
            return state.idle.map(\.session)
        }
    }

    /// How many runs are under way.
    var busyCount: Int { state.withLock { $0.busy.count } }

    /// Takes the session that a run was leased to; nil when it died in between.
    func take(for run: ClaimedRun) -> ExecutionSession? {
        state.withLock { state in
            guard let index = state.idle.firstIndex(where: { $0.session.backendPID == run.backendPID }) else {
                return nil
            }
            let session = state.idle.remove(at: index).session
            state.busy[run.id] = session
            return session
        }
    }

    /// Takes a session back; one that was lost is let go.
    func give(back run: ClaimedRun, isReusable: Bool) {
        state.withLock { state in
            guard let session = state.busy.removeValue(forKey: run.id) else { return }
            guard isReusable, session.connection.isOpen, !session.connection.isInTransaction else { return }
            state.idle.append(Idle(session: session, since: Monotonic.now()))
        }
    }

    /// Whether one more session should be opened: up to the minimum always, beyond it when all are wanted.
    func reserveOpening(isSaturated: Bool) -> Bool {
        state.withLock { state in
            let limit = isSaturated ? settings.maximumSessions : settings.minimumSessions
            guard state.total < limit else { return false }
            state.opening += 1
            return true
        }
    }

    /// Adds the session for which room was reserved; nil when it could not be opened.
    func add(_ session: ExecutionSession?) {
        state.withLock { state in
            state.opening -= 1
            if let session { state.idle.append(Idle(session: session, since: Monotonic.now())) }
        }
    }

    /// Takes out the free sessions that exceed the minimum and idled too long.
    func removeIdle() -> [ExecutionSession] {
        let now = Monotonic.now()
        return state.withLock { state in
            let spare = max(0, state.total - settings.minimumSessions)
            let old = state.idle.filter { $0.since.duration(to: now) > settings.idleLimit }.prefix(spare)
            let gone = Set(old.map(\.session.backendPID))
            state.idle.removeAll { gone.contains($0.session.backendPID) }
            return old.map(\.session)
        }
    }

    /// Takes out all free sessions.
    func removeAllIdle() -> [ExecutionSession] {
        state.withLock { state in
            defer { state.idle = [] }
            return state.idle.map(\.session)
        }
    }
}
