import Runtime

/// Which page of metrics is meant.
struct PageKey: Sendable, Hashable {
    /// A monitored server's name, or nil for what has no label `server`.
    var server: String?
    /// How it is written.
    var format: ExpositionFormat
}

/// The pages that clients have asked for, one flight each.
final class PageCache: Sendable {
    private struct State {
        var flights: [PageKey: SingleFlight<MetricsPage>] = [:]
        var isStopped = false
    }

    private let state = Lock(State())
    private let make: @Sendable (PageKey) -> SingleFlight<MetricsPage>

    /// `make` is called once for each key, at its first request; who asks sees to it that keys are few.
    init(_ make: @escaping @Sendable (PageKey) -> SingleFlight<MetricsPage>) { self.make = make }

    /// The flight of a page.
    func flight(_ key: PageKey) -> SingleFlight<MetricsPage> {
        state.withLock { state in
            if let flight = state.flights[key] { return flight }
            let flight = make(key)
            state.flights[key] = flight
            if state.isStopped { flight.stop() }
            return flight
        }
    }

    /// Sends every asker away, now and later.
    func stop() {
        let flights = state.withLock { state in
            state.isStopped = true
            return Array(state.flights.values)
        }
        for flight in flights { flight.stop() }
    }
}
