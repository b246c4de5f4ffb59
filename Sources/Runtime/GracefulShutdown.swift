/// The request to finish: services stop claiming, finish what they hold and return.
///
/// A value handed to every service; all copies mean the same request. Cancellation is the harder, later word.
package struct GracefulShutdown: Sendable {
    private struct State {
        var isRequested = false
        var nextID: UInt64 = 0
        var waiters: [UInt64: CheckedContinuation<Void, Never>] = [:]
        var cancelled: Set<UInt64> = []
    }

    private let state = Lock(State())

    /// Nothing is requested yet.
    package init() {}

    /// Whether the request was made.
    package var isRequested: Bool { state.withLock { $0.isRequested } }

    /// Makes the request; later calls change nothing.
    package func request() {
        let waiters = state.withLock { state in
            state.isRequested = true
            defer { state.waiters = [:] }
            return Array(state.waiters.values)
        }
        for waiter in waiters { waiter.resume() }
    }

    /// Returns when the request was made or the task was cancelled.
    package func wait() async {
        let id = state.withLock { state in
            state.nextID += 1
            return state.nextID
        }
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let resumeNow = state.withLock { state in
                    if state.isRequested || state.cancelled.remove(id) != nil { return true }
                    state.waiters[id] = continuation
                    return false
                }
                if resumeNow { continuation.resume() }
            }
        } onCancel: {
            let waiter = state.withLock { state -> CheckedContinuation<Void, Never>? in
                if let waiter = state.waiters.removeValue(forKey: id) { return waiter }
                if !state.isRequested { state.cancelled.insert(id) }
                return nil
            }
            waiter?.resume()
        }
        state.withLock { _ = $0.cancelled.remove(id) }
    }

    /// Sleeps; true when the time has passed, false when the request came first or the task was cancelled.
    package func sleep(for duration: Duration, clock: any Clock<Duration> = ContinuousClock()) async -> Bool {
        guard !isRequested else { return false }
        return await withTaskGroup(of: Bool.self) { group in
            group.addTask { (try? await clock.sleep(for: duration)) != nil }
            group.addTask {
                await wait()
                return false
            }
            defer { group.cancelAll() }
            return await group.next() ?? false
        }
    }

    /// Runs `body` and cancels it as soon as the request is made.
    package func withCancellationOnRequest<R: Sendable>(
        _ body: @escaping @Sendable () async throws -> R
    ) async throws -> R {
        try await withThrowingTaskGroup(of: R?.self) { group in
            group.addTask { try await body() }
            group.addTask {
                await wait()
                return nil
            }
            defer { group.cancelAll() }
            while let finished = try await group.next() {
                if let finished { return finished }
                group.cancelAll()
            }
            throw CancellationError()
        }
    }
}
