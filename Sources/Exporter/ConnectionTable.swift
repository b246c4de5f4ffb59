import Glibc
import Runtime

/// Every open connection and how long it may stay as it is.
///
/// libmicrohttpd's own time-out counts from the last byte, so that a client that dribbles bytes never meets it.
/// Concurrency: all state lies behind one lock. A connection is taken out before its socket is closed, and sockets are
/// shut down with the lock held, so that a number that was given to another connection is never hit.
final class ConnectionTable: Sendable {
    /// What a connection is waiting for.
    enum Phase: Sendable {
        case firstRequest
        case response
        case nextRequest
    }

    /// How long each phase may last.
    struct Limits: Sendable {
        var firstRequest: Duration
        var response: Duration
        var nextRequest: Duration
    }

    private struct Entry {
        let socket: Int32
        var phase = Phase.firstRequest
        var since: ContinuousClock.Instant
        var isShutDown = false
    }

    private let limits: Limits
    private let crowd: Int
    private let entries = Lock([UInt64: Entry]())
    private let nextID = Lock(UInt64(0))

    /// From `crowd` connections on, each new one costs the longest idle one its place.
    init(limits: Limits, crowd: Int) {
        self.limits = limits
        self.crowd = crowd
    }

    /// The number of connections.
    var count: Int { entries.withLock { $0.count } }

    /// Changes with each connection that is taken in.
    var newestID: UInt64 { nextID.withLock { $0 } }

    /// Whether a response is under way.
    var isResponding: Bool { entries.withLock { $0.values.contains { $0.phase == .response && !$0.isShutDown } } }

    /// Takes a new connection in and makes room for the next one.
    func opened(socket: Int32, at now: ContinuousClock.Instant = Monotonic.now()) -> UInt64 {
        entries.withLock { entries in
            // Inside: who reads the new number finds its connection, or would sleep over its deadline.
            let id = nextID.withLock { id in
                id += 1
                return id
            }
            let living = entries.filter { !$0.value.isShutDown }
            if living.count >= crowd {
                let idle = living.filter { $0.value.phase != .response }
                if let oldest = idle.min(by: { $0.value.since < $1.value.since })?.key {
                    Self.shutDown(&entries, oldest)
                }
            }
            entries[id] = Entry(socket: socket, since: now)
            return id
        }
    }

    /// A connection turns to its next phase.
    func enter(_ phase: Phase, _ id: UInt64, at now: ContinuousClock.Instant = Monotonic.now()) {
        entries.withLock { entries in
            entries[id]?.phase = phase
            entries[id]?.since = now
        }
    }

    /// A connection is about to be closed.
    func closed(_ id: UInt64) { entries.withLock { $0[id] = nil } }

    /// Shuts down what is overdue; returns how long nothing else can become overdue, or nil without connections.
    func sweep(at now: ContinuousClock.Instant = Monotonic.now()) -> Duration? {
        entries.withLock { entries in
            var next: Duration?
            for (id, entry) in entries where !entry.isShutDown {
                let rest = limit(entry.phase) - (now - entry.since)
                if rest <= .zero {
                    Self.shutDown(&entries, id)
                } else {
                    next = min(next ?? rest, rest)
                }
            }
            return next
        }
    }

    private func limit(_ phase: Phase) -> Duration {
        switch phase {
        case .firstRequest: limits.firstRequest
        case .response: limits.response
        case .nextRequest: limits.nextRequest
        }
    }

    private static func shutDown(_ entries: inout [UInt64: Entry], _ id: UInt64) {
        guard let socket = entries[id]?.socket else { return }
        entries[id]?.isShutDown = true
        shutdown(socket, Int32(SHUT_RDWR))
    }
}
