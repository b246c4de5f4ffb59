import Testing

@testable import Postgres

@Suite struct PoolStateTests {
    @Test func `idle resources are used again, the latest first`() {
        var pool = PoolState<String>(size: 2)
        #expect(isOpen(pool.acquire(1)))
        #expect(isOpen(pool.acquire(2)))
        #expect(isNothing(pool.release("a")))
        #expect(isNothing(pool.release("b")))
        #expect(taken(pool.acquire(3)) == "b")
        #expect(taken(pool.acquire(4)) == "a")
        #expect(pool.count == 2)
    }

    @Test func `those in line are served in the order they came`() {
        var pool = PoolState<String>(size: 1)
        #expect(isOpen(pool.acquire(1)))
        #expect(isWait(pool.acquire(2)))
        #expect(isWait(pool.acquire(3)))
        #expect(handed(pool.release("a")) == 2)
        #expect(handed(pool.release("a")) == 3)
        #expect(isNothing(pool.release("a")))
    }

    @Test func `a lost resource's place goes to the next in line`() {
        var pool = PoolState<String>(size: 1)
        #expect(isOpen(pool.acquire(1)))
        #expect(isWait(pool.acquire(2)))
        guard case .openFor(2) = pool.lose() else {
            Issue.record("the place was not passed on")
            return
        }
        #expect(pool.count == 1)
        #expect(isNothing(pool.lose()))
        #expect(pool.count == 0)
    }

    @Test func `one who leaves the line gets nothing`() {
        var pool = PoolState<String>(size: 1)
        #expect(isOpen(pool.acquire(1)))
        #expect(isWait(pool.acquire(2)))
        let (first, second) = (pool.abandon(2), pool.abandon(2))
        #expect(first)
        #expect(!second)
        #expect(isNothing(pool.release("a")))
    }

    @Test func `a closed pool refuses, and discards what comes back`() {
        var pool = PoolState<String>(size: 2)
        #expect(isOpen(pool.acquire(1)))
        #expect(isOpen(pool.acquire(2)))
        #expect(isNothing(pool.release("a")))
        let (idle, waiting) = pool.close()
        #expect(idle == ["a"])
        #expect(waiting.isEmpty)
        guard case .refused = pool.acquire(3), case .discard("b") = pool.release("b") else {
            Issue.record("the closed pool went on")
            return
        }
        #expect(pool.count == 0)
    }

    private func isOpen(_ acquisition: PoolState<String>.Acquisition) -> Bool {
        if case .open = acquisition { true } else { false }
    }

    private func isWait(_ acquisition: PoolState<String>.Acquisition) -> Bool {
        if case .wait = acquisition { true } else { false }
    }

    private func taken(_ acquisition: PoolState<String>.Acquisition) -> String? {
        if case .take(let resource) = acquisition { resource } else { nil }
    }

    private func isNothing(_ release: PoolState<String>.Release) -> Bool {
        if case .none = release { true } else { false }
    }

    private func handed(_ release: PoolState<String>.Release) -> UInt64? {
        if case .hand(_, let waiter) = release { waiter } else { nil }
    }
}
