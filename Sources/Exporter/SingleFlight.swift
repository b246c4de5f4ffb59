import Runtime

/// One answer for everybody who asks at the same time, and for those who ask shortly after.
///
/// Askers are plain threads and block; whoever was woken by `wake` makes the answer and hands it over with `finish`.
final class SingleFlight<Value: Sendable>: @unchecked Sendable {  // Proof: `state` is touched inside `alarm` alone.
    /// What an asker is told.
    enum Answer: Sendable {
        /// The value, and whether it was there already.
        case value(Value, isCached: Bool)
        /// Why there is none.
        case failure(String)
    }

    private struct State {
        var flight: UInt64 = 0
        var isFlying = false
        var latest: Result<Value, Failure>?
        var finishedAt: ContinuousClock.Instant?
        var isStopped = false
    }

    private struct Failure: Error {
        let reason: String
    }

    private let lifetime: Duration
    private let wake: @Sendable () -> Void
    private let now: @Sendable () -> ContinuousClock.Instant
    private let alarm = Alarm()
    private var state = State()

    /// A value is given out again for `lifetime` by the clock `now`; failures are not.
    init(
        lifetime: Duration, now: @escaping @Sendable () -> ContinuousClock.Instant = Monotonic.now,
        wake: @escaping @Sendable () -> Void
    ) {
        self.lifetime = lifetime
        self.now = now
        self.wake = wake
    }

    /// The kept value, or the one of the flight under way, or of a new flight; waits for `limit` at most.
    func answer(waitingUpTo limit: Duration) -> Answer {
        let (kept, flight, isFirst) = alarm.wait(upTo: nil) { board() } ?? (nil, 0, false)
        if let kept { return .value(kept, isCached: true) }
        if isFirst { wake() }
        let ended = alarm.wait(upTo: limit) { () -> Answer? in
            if state.isStopped { return .failure("the service is stopping") }
            guard state.flight != flight || !state.isFlying else { return nil }
            switch state.latest {
            case .success(let value): return .value(value, isCached: false)
            case .failure(let failure): return .failure(failure.reason)
            case nil: return .failure("there is no answer")
            }
        }
        return ended ?? .failure("the database did not answer in time")
    }

    /// Ends the flight under way with its value.
    func finish(_ value: Value) { end(.success(value)) }

    /// Ends the flight under way without a value.
    func fail(_ reason: String) { end(.failure(Failure(reason: reason))) }

    /// Sends every asker away, now and later.
    func stop() { alarm.ring { state.isStopped = true } }

    private func end(_ result: Result<Value, Failure>) {
        alarm.ring {
            state.isFlying = false
            state.latest = result
            state.finishedAt = now()
        }
    }

    private func board() -> (Value?, UInt64, Bool)? {
        if case .success(let value)? = state.latest, let finishedAt = state.finishedAt,
            now() - finishedAt < lifetime
        {
            return (value, state.flight, false)
        }
        if state.isFlying { return (nil, state.flight, false) }
        state.isFlying = true
        state.flight += 1
        return (nil, state.flight, true)
    }
}
