/// The clock that never jumps; it measures time-outs and durations, the database's clock decides everything else.
package enum Monotonic {
    /// The present instant.
    package static func now() -> ContinuousClock.Instant { ContinuousClock.now }
}

extension Duration {
    /// The whole duration in milliseconds, rounded up, so that a wait never ends early.
    package var millisecondsRoundedUp: Int64 {
        let (seconds, attoseconds) = components
        let (whole, overflow) = seconds.multipliedReportingOverflow(by: 1000)
        guard !overflow else { return seconds < 0 ? .min : .max }
        let rest = attoseconds / 1_000_000_000_000_000
        let inexact = attoseconds > rest * 1_000_000_000_000_000
        return whole + rest + (inexact ? 1 : 0)
    }

    /// The duration in seconds with its fraction.
    package var inSeconds: Double {
        let (seconds, attoseconds) = components
        return Double(seconds) + Double(attoseconds) * 1e-18
    }
}
