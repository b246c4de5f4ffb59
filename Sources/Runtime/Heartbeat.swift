/// The sign of life of one loop: it beats at each turn, and others see how long ago that was.
package final class Heartbeat: Sendable {
    /// The name that log lines carry.
    package let name: String
    private let latest = Lock(Monotonic.now())

    /// It counts as beating from now on.
    package init(_ name: String) { self.name = name }

    /// The loop is alive, and will be silent for `rest` before its next turn.
    package func beat(resting rest: Duration = .zero) { latest.withLock { $0 = Monotonic.now() + rest } }

    /// The time since the next beat was due; negative while the loop rests.
    package var silence: Duration { Monotonic.now() - latest.withLock { $0 } }
}
