import Glibc

/// Writes log lines to a descriptor and never waits for its reader: what it does not take is dropped and counted.
///
/// A reader that stopped (a pager, a stopped log shipper, a terminal held by Ctrl-S) would else stop every thread that
/// logs, and so the service. The descriptor is not made non-blocking, since other processes share that setting.
/// Concurrency: poll and write happen under one lock, so that no other line takes the room that poll promised.
package final class LineWriter: Sendable {
    /// Longest line: what a pipe has free when poll calls it ready, and takes in one piece (PIPE_BUF).
    package static let lineLimit = 4096

    private let descriptor: Int32
    private let lost = Lock(0)

    /// Writes to `descriptor`, which stays the caller's.
    package init(descriptor: Int32) { self.descriptor = descriptor }

    /// Writes a line, and before it how many were lost if some were.
    package func write(_ line: [UInt8]) {
        lost.withLock { lost in
            if lost > 0 {
                guard put(Log.formatted(.warning, "log lines lost", ["count": "\(lost)"])) else {
                    lost += 1
                    return
                }
                lost = 0
            }
            if !put(line) { lost += 1 }
        }
    }

    /// Whether a line was taken whole, in one write.
    private func put(_ line: [UInt8]) -> Bool {
        while true {
            var state = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
            guard poll(&state, 1, 0) == 1, state.revents & Int16(POLLOUT) != 0 else { return false }
            let count = Glibc.write(descriptor, line, line.count)
            if count < 0, errno == EINTR { continue }
            return count == line.count
        }
    }
}
