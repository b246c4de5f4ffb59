import Glibc

/// Standard output and standard error, written whole.
enum Terminal {
    /// Writes text to standard output.
    static func print(_ text: String) { write(text + "\n", to: 1) }

    /// Writes text to standard error.
    static func printError(_ text: String) { write(text + "\n", to: 2) }

    /// Whether a person is looking at standard error.
    static var isInteractive: Bool { isatty(2) == 1 }

    /// Writes every byte; a closed reader ends it quietly.
    static func write(_ text: String, to descriptor: Int32) {
        var rest = Array(text.utf8)[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { return }
            rest = rest.dropFirst(count)
        }
    }
}
