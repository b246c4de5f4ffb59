import Glibc
import Migrations
import Runtime

/// Shows on a terminal what a migration is at, once it has taken more than two seconds.
final class MigrationProgress: Sendable {
    private struct State {
        var text = ""
        var isShown = false
        var isFinished = false
    }

    private let state = Lock(State())
    private let begun = Monotonic.now()

    /// Starts to watch; off a terminal only waits and repairs are told, as lines.
    init() {
        guard Terminal.isInteractive else { return }
        try? OSThread.start(name: "progress") { [weak self] in
            while self?.tick() == true { usleep(250_000) }
        }
    }

    /// Takes an event of the migrator.
    func show(_ event: MigrationEvent) {
        let text =
            switch event {
            case .waiting(let holder): "waiting for another migration: \(holder)"
            case .applying(let name, let index, let count): "[\(index)/\(count)] \(name)"
            case .applied(let name, _): "applied \(name)"
            case .retrying(let name, let reason): "\(name) is tried again: \(reason)"
            case .repairing(let index): "building the invalid index \(index) again"
            case .reloading(let count): "loading \(count) files"
            case .reloaded: "loaded"
            case .preparingPartitions: "making partitions"
            }
        state.withLock { $0.text = text }
        guard !Terminal.isInteractive else { return }
        switch event {
        case .waiting, .retrying, .repairing: Terminal.printError("pgvigil: \(text)")
        default: break
        }
    }

    /// Clears the line; nothing is shown afterwards.
    func finish() {
        state.withLock { state in
            if state.isShown { Terminal.write("\r\u{1B}[K", to: 2) }
            state.isFinished = true
        }
    }

    private func tick() -> Bool {
        let elapsed = (Monotonic.now() - begun).inSeconds
        return state.withLock { state in
            guard !state.isFinished else { return false }
            if elapsed > 2, !state.text.isEmpty {
                state.isShown = true
                Terminal.write("\r\u{1B}[K\(state.text.prefix(68)) \(Int(elapsed)) s", to: 2)
            }
            return true
        }
    }
}
