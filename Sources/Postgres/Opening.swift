import Runtime

/// The first word about an attempt to connect: the thread's, or that of the task's cancellation.
final class Opening: Sendable {
    private struct State {
        var waiter: CheckedContinuation<PostgresError?, Never>?
        var outcome: PostgresError??
    }

    private let state = Lock(State())

    /// Resumes the waiter at the first word, at once when it was said before.
    func wait(_ waiter: CheckedContinuation<PostgresError?, Never>) {
        let outcome = state.withLock { state -> PostgresError?? in
            if state.outcome == nil { state.waiter = waiter }
            return state.outcome
        }
        if let outcome { waiter.resume(returning: outcome) }
    }

    /// Says a word; true for the first one, later ones change nothing.
    @discardableResult
    func end(_ error: PostgresError?) -> Bool {
        let (isFirst, waiter) = state.withLock { state -> (Bool, CheckedContinuation<PostgresError?, Never>?) in
            guard state.outcome == nil else { return (false, nil) }
            state.outcome = .some(error)
            defer { state.waiter = nil }
            return (true, state.waiter)
        }
        waiter?.resume(returning: error)
        return isFirst
    }
}
