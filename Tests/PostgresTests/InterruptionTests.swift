import Testing

@testable import Postgres

@Suite struct InterruptionTests {
    private let start = ContinuousClock.now

    @Test func `without deadline and cancellation it waits for ever`() {
        var interruption = Interruption(deadline: nil, drainLimit: .seconds(1))
        #expect(interruption.step(now: start, isCancelled: false) == .wait(until: nil))
        #expect(interruption.step(now: start + .seconds(86_400), isCancelled: false) == .wait(until: nil))
        #expect(interruption.reason == nil)
    }

    @Test func `the deadline asks the server once, then gives up when it does not obey`() {
        let deadline = start + .seconds(1)
        var interruption = Interruption(deadline: deadline, drainLimit: .seconds(5))
        #expect(interruption.step(now: start, isCancelled: false) == .wait(until: deadline))
        #expect(interruption.step(now: deadline, isCancelled: false) == .sendCancel)
        #expect(interruption.reason == .timeout)
        #expect(interruption.step(now: deadline, isCancelled: true) == .wait(until: deadline + .seconds(5)))
        #expect(interruption.step(now: deadline + .seconds(5), isCancelled: false) == .giveUp)
        #expect(interruption.reason == .timeout)
    }

    @Test func `cancellation comes before the deadline`() {
        var interruption = Interruption(deadline: start, drainLimit: .seconds(5))
        #expect(interruption.step(now: start, isCancelled: true) == .sendCancel)
        #expect(interruption.reason == .cancelled)
    }

    @Test func `a reader that has enough stops the statement once`() {
        var interruption = Interruption(deadline: nil, drainLimit: .seconds(5))
        #expect(interruption.stop(now: start) == .sendCancel)
        #expect(interruption.stop(now: start) == nil)
    }
}
