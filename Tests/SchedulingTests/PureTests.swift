import Runtime
import Testing

@testable import Scheduling

/// The parts that need no database.
@Suite struct PureTests {
    @Test("an instance's name is a version 4 UUID")
    func instanceID() {
        #expect(InstanceID(high: 0, low: 0).description == "00000000-0000-4000-8000-000000000000")
        #expect(InstanceID(high: .max, low: .max).description == "ffffffff-ffff-4fff-bfff-ffffffffffff")
        #expect(InstanceID() != InstanceID())
    }

    @Test("a turn that served all that is due sleeps until the next, but never less than the shortest pause")
    func pauseUntilDue() {
        var pacer = TickPacer()
        #expect(pacer.pause(offered: 8, claimed: 3, wait: .milliseconds(700)) == .milliseconds(700))
        #expect(pacer.pause(offered: 8, claimed: 3, wait: .milliseconds(1)) == TickPacer.shortest)
        #expect(pacer.pause(offered: 8, claimed: 0, wait: .seconds(5)) == .seconds(5))
    }

    @Test("a turn that used every session waits for one to become free")
    func pauseWhenSaturated() {
        var pacer = TickPacer()
        #expect(pacer.pause(offered: 8, claimed: 8, wait: .zero) == TickPacer.saturated)
        #expect(pacer.pause(offered: 0, claimed: 0, wait: .zero) == TickPacer.saturated)
    }

    @Test("due work that another service holds is asked for ever more rarely, until something is claimed again")
    func pauseWhenTakenByOthers() {
        var pacer = TickPacer()
        let pauses = (0..<10).map { _ in pacer.pause(offered: 8, claimed: 0, wait: .zero) }
        #expect(Array(pauses.prefix(4)) == [10, 20, 40, 80].map { Duration.milliseconds($0) })
        #expect(pauses.last == TickPacer.longestRetry)
        _ = pacer.pause(offered: 8, claimed: 1, wait: .zero)
        #expect(pacer.pause(offered: 8, claimed: 0, wait: .zero) == TickPacer.shortest)
    }

    @Test("news wake the sleeper at once, also when they came before the sleep", .timeLimit(.minutes(1)))
    func wakeup() async {
        let wakeup = Wakeup()
        wakeup.signal()
        await wakeup.wait(upTo: .seconds(3600), clock: ContinuousClock())
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await wakeup.wait(upTo: .seconds(3600), clock: ContinuousClock()) }
            group.addTask { wakeup.signal() }
        }
        await wakeup.wait(upTo: .milliseconds(1), clock: ContinuousClock())
    }

    @Test("a cancelled sleeper wakes", .timeLimit(.minutes(1)))
    func wakeupCancelled() async {
        let wakeup = Wakeup()
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await wakeup.wait(upTo: .seconds(3600), clock: ContinuousClock()) }
            group.cancelAll()
        }
    }
}
