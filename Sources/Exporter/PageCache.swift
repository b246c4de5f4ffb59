import Runtime

/// Which page of metrics is meant.
struct PageKey: Sendable, Hashable {
    /// A monitored server's name, or nil for what has no label `server`.
    var server: String?
    /// How it is written.
    var format: ExpositionFormat
}

/// The pages that clients have asked for, one flight each; of those nobody waits for, the newest stay.
final class PageCache: Sendable {
    private struct Entry {
        let flight: SingleFlight<MetricsPage>
        /// Clients that wait for it: while there are any, it stays.
        var askers = 0
        var asked: UInt64 = 0
    }

    private struct State {
        var entries: [PageKey: Entry] = [:]
        var questions: UInt64 = 0
        var isStopped = false
    }

    private let state = Lock(State())
    private let limit: Int
    private let make: @Sendable (PageKey) -> SingleFlight<MetricsPage>

    /// `make` is called at a page's first request; beyond `limit` pages the one asked for longest ago is let go.
    init(limit: Int = 64, _ make: @escaping @Sendable (PageKey) -> SingleFlight<MetricsPage>) {
        self.limit = limit
        self.make = make
    }

    /// The number of pages that are kept.
    var count: Int { state.withLock { $0.entries.count } }

    /// The page that is there, or the one being made, or a new one; waits for `time` at most.
    func answer(_ key: PageKey, waitingUpTo time: Duration) -> SingleFlight<MetricsPage>.Answer {
        let flight = state.withLock { state in
            let flight = entry(key, &state)
            state.questions += 1
            state.entries[key]?.asked = state.questions
            state.entries[key]?.askers += 1
            return flight
        }
        defer { state.withLock { $0.entries[key]?.askers -= 1 } }
        return flight.answer(waitingUpTo: time)
    }

    /// The flight of a page.
    func flight(_ key: PageKey) -> SingleFlight<MetricsPage> { state.withLock { entry(key, &$0) } }

    /// Sends every asker away, now and later.
    func stop() {
        let flights = state.withLock { state in
            state.isStopped = true
            return state.entries.values.map(\.flight)
        }
        for flight in flights { flight.stop() }
    }

    private func entry(_ key: PageKey, _ state: inout State) -> SingleFlight<MetricsPage> {
        if let entry = state.entries[key] { return entry.flight }
        let idle = state.entries.filter { $0.value.askers == 0 }
        if state.entries.count >= limit, let oldest = idle.min(by: { $0.value.asked < $1.value.asked })?.key {
            state.entries[oldest] = nil
        }
        let flight = make(key)
        state.entries[key] = Entry(flight: flight)
        if state.isStopped { flight.stop() }
        return flight
    }
}
