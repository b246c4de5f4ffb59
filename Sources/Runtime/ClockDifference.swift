import Glibc

/// How far another machine's clock is from ours, from questions that took some time to travel.
package struct ClockDifference: Sendable, Equatable {
    /// Seconds that the other clock is ahead; negative when it is behind.
    package let seconds: Double
    /// Half the time of the shortest round trip: the truth is within it.
    package let uncertainty: Double

    /// One question: our clock before and after, and the other's in between, as seconds since the epoch.
    package init(before: Double, other: Double, after: Double) {
        seconds = other - (before + after) / 2
        uncertainty = max(0, after - before) / 2
    }

    /// The difference that is certain: as much of it as the round trip cannot explain.
    package var certainSeconds: Double { max(0, seconds.magnitude - uncertainty) }

    /// The most certain of several questions.
    package static func best(of differences: [ClockDifference]) -> ClockDifference? {
        differences.min { $0.uncertainty < $1.uncertainty }
    }

    /// Our machine's clock, in seconds since the epoch.
    package static func ownClock() -> Double {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
    }
}
