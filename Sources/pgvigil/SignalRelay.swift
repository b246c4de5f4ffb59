import Glibc
import Runtime

/// Hands signals on: a first wish to stop asks politely, a second one ends the process, a reload runs what was registered.
final class SignalRelay: Sendable {
    let shutdown = GracefulShutdown()
    private let reloads = Lock([@Sendable () -> Void]())

    /// Called on the main thread for each signal.
    func handle(_ request: Signals.Request) {
        switch request {
        case .stop where shutdown.isRequested: _exit(130)
        case .stop: shutdown.request()
        case .reload:
            for action in reloads.withLock({ $0 }) { action() }
        }
    }

    func onReload(_ action: @escaping @Sendable () -> Void) { reloads.withLock { $0.append(action) } }
}
