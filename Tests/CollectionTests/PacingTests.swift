import Testing

@testable import Collection

/// Sleeping between claims, and when a run is worth a log line.
@Suite struct PacingTests {
    @Test("a worker sleeps until the next is due, five seconds at most")
    func sleeps() {
        var pacer = ClaimPacer()
        #expect(pacer.pause(untilDue: .seconds(3)) == .seconds(3))
        #expect(pacer.pause(untilDue: .seconds(300)) == .seconds(5))
        #expect(pacer.pause(untilDue: nil) == .seconds(5))
    }

    @Test("while something is due and not to be had it asks ever more seldom, once a second in the end")
    func refused() {
        var pacer = ClaimPacer()
        let pauses = (1...9).map { _ in pacer.pause(untilDue: .zero) }
        #expect(Array(pauses.prefix(4)) == [20, 40, 80, 160].map { .milliseconds($0) })
        #expect(pauses.suffix(2) == [.seconds(1), .seconds(1)])
        pacer.claimed()
        #expect(pacer.pause(untilDue: .zero) == .milliseconds(20))
        _ = pacer.pause(untilDue: .zero)
        _ = pacer.pause(untilDue: .seconds(1))
        #expect(pacer.pause(untilDue: .zero) == .milliseconds(20))
    }

    @Test("a status is news once")
    func news() {
        let memory = StatusMemory()
        #expect(!memory.isChange("ok", of: "a"))
        #expect(memory.isChange("failed", of: "a"))
        #expect(!memory.isChange("failed", of: "a"))
        #expect(memory.isChange("ok", of: "a"))
        #expect(memory.isChange("unavailable", of: "b"))
    }
}
