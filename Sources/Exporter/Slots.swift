import Runtime

/// A number of places; nobody waits for one.
final class Slots: Sendable {
    /// One place, given back when it is let go of.
    final class Place: Sendable {
        private let slots: Slots

        fileprivate init(_ slots: Slots) { self.slots = slots }

        deinit { slots.free.withLock { $0 += 1 } }
    }

    private let free: Lock<Int>

    init(_ count: Int) { free = Lock(count) }

    /// A place if there is one.
    func take() -> Place? {
        let isTaken = free.withLock { free in
            guard free > 0 else { return false }
            free -= 1
            return true
        }
        return isTaken ? Place(self) : nil
    }
}
