/// Runs services side by side and ends them together: first by the graceful request, then by cancellation.
package struct ServiceGroup: Sendable {
    /// A service returned although nobody had asked it to.
    package struct EndedEarly: Error, Sendable, CustomStringConvertible {
        /// The service's name.
        package let service: String

        /// A line that is safe to log.
        package var description: String { "service \(service) ended without being asked" }
    }

    private enum Event: Sendable {
        case ended(service: String, error: (any Error)?)
        case shutdownRequested
        case drainLimitReached
    }

    private let services: [any Service]
    private let shutdown: GracefulShutdown
    private let drainLimit: Duration
    private let clock: any Clock<Duration>
    private let log: Log

    /// Services get `drainLimit` from the graceful request to their cancellation.
    package init(
        services: [any Service], shutdown: GracefulShutdown, drainLimit: Duration, log: Log,
        clock: any Clock<Duration> = ContinuousClock()
    ) {
        self.services = services
        self.shutdown = shutdown
        self.drainLimit = drainLimit
        self.clock = clock
        self.log = log
    }

    /// Returns when every service has ended.
    ///
    /// - Throws: the first service's error, or `EndedEarly`; the other services are shut down first.
    package func run() async throws {
        let failure = await withTaskGroup(of: Event?.self) { group -> (any Error)? in
            for service in services { group.addTask { await Self.event(of: service) } }
            group.addTask {
                await shutdown.wait()
                return Task.isCancelled ? nil : .shutdownRequested
            }
            return await supervise(&group)
        }
        if let failure { throw failure }
    }

    private static func event(of service: any Service) async -> Event {
        do {
            try await service.run()
            return .ended(service: service.name, error: nil)
        } catch {
            return .ended(service: service.name, error: error)
        }
    }

    private func supervise(_ group: inout TaskGroup<Event?>) async -> (any Error)? {
        var failure: (any Error)?
        var running = services.count
        while running > 0, let event = await group.next() {
            switch event {
            case .ended(let service, let error):
                running -= 1
                log.info("service ended", ["service": service, "error": error.map { "\($0)" } ?? ""])
                if failure == nil, !(error is CancellationError && shutdown.isRequested) {
                    failure = error ?? (shutdown.isRequested ? nil : EndedEarly(service: service))
                }
                shutdown.request()
            case .shutdownRequested:
                group.addTask { (try? await clock.sleep(for: drainLimit)).map { .drainLimitReached } }
            case .drainLimitReached:
                log.warning("drain limit reached", ["running": "\(running)"])
                group.cancelAll()
            case nil:
                break
            }
        }
        group.cancelAll()
        return failure
    }
}
