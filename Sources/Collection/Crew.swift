import Runtime

/// Who works at this moment, and a word to those that wait for one of them to end.
final class Crew: Sendable {
    private struct State {
        var count = 0
        var end = GracefulShutdown()
    }

    private let state = Lock(State())

    /// The number of those at work.
    var count: Int { state.withLock { $0.count } }

    /// Requested when the next one ends.
    var nextEnd: GracefulShutdown { state.withLock { $0.end } }

    /// One begins.
    func join() { state.withLock { $0.count += 1 } }

    /// One ends.
    func leave() {
        let end = state.withLock { state in
            state.count -= 1
            defer { state.end = GracefulShutdown() }
            return state.end
        }
        end.request()
    }
}
