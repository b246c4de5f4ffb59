import Glibc
import Runtime

/// A bar on a terminal for work that takes more than two seconds.
final class ProgressBar: Sendable {
    private struct State {
        var text = ""
        var share = 0.0
        var isShown = false
        var isFinished = false
    }

    private let state = Lock(State())
    private let begun = Monotonic.now()
    private static let width = 30

    /// Starts to watch; off a terminal nothing is shown.
    init() {
        guard Terminal.isInteractive else { return }
        try? OSThread.start(name: "progress") { [weak self] in
            while self?.tick() == true { usleep(250_000) }
        }
    }

    /// What is done, and how far it is, from 0 to 1.
    func show(_ text: String, _ share: Double) {
        state.withLock { state in
            state.text = text
            state.share = min(max(share, 0), 1)
        }
    }

    /// Makes room for a line.
    func clear() {
        state.withLock { state in
            if state.isShown { Terminal.write("\r\u{1B}[K", to: 2) }
            state.isShown = false
        }
    }

    /// Clears the line; nothing is shown afterwards.
    func finish() {
        clear()
        state.withLock { $0.isFinished = true }
    }

    private func tick() -> Bool {
        let elapsed = (Monotonic.now() - begun).inSeconds
        return state.withLock { state in
            guard !state.isFinished else { return false }
            if elapsed > 2, !state.text.isEmpty {
                state.isShown = true
                Terminal.write(Self.line(state.text, state.share, Int(elapsed)), to: 2)
            }
            return true
        }
    }

    /// The line as it is drawn: what, a bar, per cent, seconds so far.
    static func line(_ text: String, _ share: Double, _ seconds: Int) -> String {
        let full = Int(share * Double(width))
        let bar = String(repeating: "#", count: full) + String(repeating: ".", count: width - full)
        return "\r\u{1B}[K\(text.prefix(32)) [\(bar)] \(Int(share * 100)) % \(seconds) s"
    }
}
