import Runtime
import Testing

@Suite struct BackoffTests {
    @Test func `waits double up to the limit and start over after a success`() {
        var backoff = Backoff(base: .milliseconds(100), limit: .seconds(1), random: { 1 })
        let waits = (1...6).map { _ in backoff.next() }
        #expect(waits == [0.1, 0.2, 0.4, 0.8, 1, 1].map { Duration.seconds($0) })
        #expect(backoff.failures == 6)
        backoff.reset()
        #expect(backoff.next() == .milliseconds(100))
    }

    @Test(arguments: [(0.0, 0.05), (0.5, 0.075), (7.0, 0.1), (-1.0, 0.05)])
    func `jitter takes away at most half`(chance: Double, seconds: Double) {
        var backoff = Backoff(base: .milliseconds(100), random: { chance })
        #expect(abs(backoff.next().inSeconds - seconds) < 1e-9)
    }

    @Test func `a thousand failures overflow nothing`() {
        var backoff = Backoff(limit: .seconds(5), random: { 1 })
        for _ in 1...1000 { _ = backoff.next() }
        #expect(backoff.next() == .seconds(5))
    }

    @Test(arguments: [
        (Duration.milliseconds(5), Int64(5)), (.nanoseconds(1), 1), (.microseconds(1500), 2), (.zero, 0),
        (.milliseconds(-5), -5), (.seconds(Int64.max), .max),
    ])
    func `milliseconds are rounded up, so that no wait ends early`(duration: Duration, expected: Int64) {
        #expect(duration.millisecondsRoundedUp == expected)
    }
}
