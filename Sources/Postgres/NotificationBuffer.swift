import Runtime

/// Notifications between the connection's thread and the one task that reads them.
final class NotificationBuffer: Sendable {
    private struct State {
        var waiting: [PostgresNotification] = []
        var reader: CheckedContinuation<Step, Never>?
        var end: Step?
    }

    /// What a reader gets.
    enum Step: Sendable {
        case next(PostgresNotification)
        case end(PostgresError?)
    }

    /// The newest are kept beyond this: a notification is a hint to look, and looking once is enough.
    private static let capacity = 10_000
    private let state = Lock(State())

    func append(_ notification: PostgresNotification) {
        let reader = state.withLock { state -> CheckedContinuation<Step, Never>? in
            if let reader = state.reader {
                state.reader = nil
                return reader
            }
            if state.waiting.count == Self.capacity { state.waiting.removeFirst() }
            state.waiting.append(notification)
            return nil
        }
        reader?.resume(returning: .next(notification))
    }

    func finish(_ error: PostgresError?) {
        let reader = state.withLock { state in
            if state.end == nil { state.end = .end(error) }
            defer { state.reader = nil }
            return state.reader
        }
        reader?.resume(returning: .end(error))
    }

    /// The next notification; ends early when the task is cancelled.
    func next() async -> Step {
        let cancellation = Flag()
        return await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let step = state.withLock { state -> Step? in
                    if !state.waiting.isEmpty { return .next(state.waiting.removeFirst()) }
                    if let end = state.end { return end }
                    if cancellation.isSet { return .end(nil) }
                    state.reader = continuation
                    return nil
                }
                if let step { continuation.resume(returning: step) }
            }
        } onCancel: {
            cancellation.set()
            let reader = state.withLock { state in
                defer { state.reader = nil }
                return state.reader
            }
            reader?.resume(returning: .end(nil))
        }
    }
}
