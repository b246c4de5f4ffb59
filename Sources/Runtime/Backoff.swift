/// Growing waits between attempts, with jitter from an injected source of chance.
package struct Backoff: Sendable {
    /// The longest first wait.
    package let base: Duration
    /// The longest wait ever.
    package let limit: Duration
    /// Attempts that failed since the last success.
    package private(set) var failures = 0

    private let random: @Sendable () -> Double

    /// Doubles from `base` to `limit`; `random` yields numbers in 0..<1.
    package init(
        base: Duration = .milliseconds(100), limit: Duration = .seconds(10),
        random: @escaping @Sendable () -> Double = { Double.random(in: 0..<1) }
    ) {
        self.base = base
        self.limit = limit
        self.random = random
    }

    /// The next wait: between half and all of the doubled one, so that many clients spread out.
    package mutating func next() -> Duration {
        let doubled = base.inSeconds * Double(UInt64(1) << UInt64(min(failures, 40)))
        failures += 1
        let ceiling = min(doubled, limit.inSeconds)
        return .seconds(ceiling * (0.5 + 0.5 * min(max(random(), 0), 1)))
    }

    /// Starts over after a success.
    package mutating func reset() { failures = 0 }
}
