import CShims
import Glibc
import Runtime

/// One piece of work for a connection's thread, and the task that waits for it.
struct Job: Sendable {
    /// Set by the task's cancellation.
    let cancellation: Flag
    /// Runs on the connection's thread.
    let run: @Sendable (Session) -> Void
    /// Runs instead of `run` when the work cannot be done at all.
    let fail: @Sendable (PostgresError) -> Void
    /// For the error.
    let attempted: String
}

/// A flag that many threads set and read.
final class Flag: Sendable {
    private let state = Lock(false)

    var isSet: Bool { state.withLock { $0 } }

    func set() { state.withLock { $0 = true } }
}

/// The way from tasks to a connection's thread, and what the thread lets others know.
final class Mailbox: Sendable {
    /// What the thread is to do next.
    enum Next {
        case job(Job)
        case stop
        case wait
    }

    /// What the thread knows about the session.
    struct Facts: Sendable {
        var backendPID: Int32 = 0
        var serverVersion = 0
        var isInTransaction = false
    }

    private struct State {
        var jobs: [Job] = []
        var isStopping = false
        var isLost = false
        var end: PostgresError?
        var closers: [CheckedContinuation<Void, Never>] = []
        var facts = Facts()
    }

    /// Readable for poll(2) when something changed.
    let event: Int32
    private let state = Lock(State())

    init() throws(PostgresError) {
        event = pgvigil_eventfd()
        guard event >= 0 else {
            throw PostgresError(
                kind: .connection, attempted: "connect", message: "cannot make an eventfd",
                hint: "Raise the limit on open files (ulimit -n).")
        }
    }

    deinit { close(event) }

    var facts: Facts { state.withLock { $0.facts } }

    var isOpen: Bool { state.withLock { $0.end == nil && !$0.isStopping && !$0.isLost } }

    /// The thread found the connection lost; said before the caller learns it, so that `isOpen` never lags behind.
    func lose() { state.withLock { $0.isLost = true } }

    func update(_ facts: Facts) { state.withLock { $0.facts = facts } }

    /// Wakes the thread from its poll.
    func wake() {
        var one: UInt64 = 1
        _ = write(event, &one, 8)
    }

    /// Takes back what `wake` did.
    func clearWake() {
        var count: UInt64 = 0
        _ = read(event, &count, 8)
    }

    func submit(_ job: Job) {
        let end = state.withLock { state -> PostgresError? in
            if let end = state.end { return end }
            if state.isStopping { return Self.closed }
            if job.cancellation.isSet { return Session.cancelled(job.attempted) }
            state.jobs.append(job)
            return nil
        }
        guard var end else { return wake() }
        end.attempted = job.attempted
        job.fail(end)
    }

    /// Fails a job that still waits, or wakes the thread, which then stops the one under way.
    func withdraw(_ cancellation: Flag) {
        let withdrawn = state.withLock { state -> Job? in
            guard let index = state.jobs.firstIndex(where: { $0.cancellation === cancellation }) else { return nil }
            return state.jobs.remove(at: index)
        }
        guard let withdrawn else { return wake() }
        withdrawn.fail(Session.cancelled(withdrawn.attempted))
    }

    func next() -> Next {
        state.withLock { state in
            if !state.jobs.isEmpty { return .job(state.jobs.removeFirst()) }
            return state.isStopping ? .stop : .wait
        }
    }

    /// Lets the thread finish what was submitted and end.
    func stop() {
        state.withLock { $0.isStopping = true }
        wake()
    }

    /// Returns when the thread has closed the connection.
    func waitForEnd() async {
        await withCheckedContinuation { continuation in
            let hasEnded = state.withLock { state in
                if state.end == nil { state.closers.append(continuation) }
                return state.end != nil
            }
            if hasEnded { continuation.resume() }
        }
    }

    /// Called by the thread when the connection is gone: fails all that wait and all that come.
    func end(_ error: PostgresError?) {
        let error = error ?? Self.closed
        let (jobs, closers) = state.withLock { state in
            state.end = error
            defer { (state.jobs, state.closers) = ([], []) }
            return (state.jobs, state.closers)
        }
        for job in jobs {
            var error = error
            error.attempted = job.attempted
            job.fail(error)
        }
        for closer in closers { closer.resume() }
    }

    private static let closed = PostgresError(
        kind: .connection, attempted: "use", message: "the connection is closed", isConnectionLost: true)
}
