/// Decides, while a statement runs, when to ask the server to stop it and when to give the connection up.
struct Interruption {
    /// Why the statement is to be stopped.
    enum Reason: Equatable {
        case cancelled
        case timeout
    }

    /// What to do now.
    enum Action: Equatable {
        /// Wait for the socket, at most until the instant.
        case wait(until: ContinuousClock.Instant?)
        /// Send the cancel request, then ask again.
        case sendCancel
        /// The server does not even answer the cancel request: abandon the connection.
        case giveUp
    }

    private enum State {
        case running
        case stopping(Reason, giveUpAt: ContinuousClock.Instant)
    }

    private let deadline: ContinuousClock.Instant?
    private let drainLimit: Duration
    private var state = State.running

    init(deadline: ContinuousClock.Instant?, drainLimit: Duration) {
        self.deadline = deadline
        self.drainLimit = drainLimit
    }

    /// Set once the cancel request was due.
    var reason: Reason? {
        guard case .stopping(let reason, _) = state else { return nil }
        return reason
    }

    mutating func step(now: ContinuousClock.Instant, isCancelled: Bool) -> Action {
        switch state {
        case .running where isCancelled: return stop(.cancelled, now)
        case .running:
            guard let deadline, now >= deadline else { return .wait(until: deadline) }
            return stop(.timeout, now)
        case .stopping(_, let giveUpAt):
            return now >= giveUpAt ? .giveUp : .wait(until: giveUpAt)
        }
    }

    /// Asks the server to stop for another reason than the clock's or the task's, such as a reader that threw.
    mutating func stop(now: ContinuousClock.Instant) -> Action? {
        guard case .running = state else { return nil }
        return stop(.cancelled, now)
    }

    private mutating func stop(_ reason: Reason, _ now: ContinuousClock.Instant) -> Action {
        state = .stopping(reason, giveUpAt: now + drainLimit)
        return .sendCancel
    }
}
