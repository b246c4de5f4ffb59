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
        case closerEnded(service: String, error: (any Error)?)
        case drainLimitReached
    }

    private let services: [any Service]
    private let closers: [any Service]
    private let closing: GracefulShutdown
    private let shutdown: GracefulShutdown
    private let drainLimit: Duration
    private let clock: any Clock<Duration>
    private let log: Log

    /// Services get `drainLimit` from the graceful request to their cancellation.
    ///
    /// `closers` stay until all others have ended, and are then asked to end by `closing`, which nobody else requests.
    package init(
        services: [any Service], closers: [any Service] = [], closing: GracefulShutdown = GracefulShutdown(),
        shutdown: GracefulShutdown, drainLimit: Duration, log: Log,
        clock: any Clock<Duration> = ContinuousClock()
    ) {
        self.services = services
        self.closers = closers
        self.closing = closing
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
            for service in services { group.addTask { await Self.event(of: service, Event.ended) } }
            for service in closers { group.addTask { await Self.event(of: service, Event.closerEnded) } }
            group.addTask {
                await shutdown.wait()
                return Task.isCancelled ? nil : .shutdownRequested
            }
            return await supervise(&group)
        }
        if let failure { throw failure }
    }

    private static func event(
        of service: any Service, _ event: @Sendable (String, (any Error)?) -> Event
    ) async -> Event {
        do {
            try await service.run()
            return event(service.name, nil)
        } catch {
            return event(service.name, error)
        }
    }

    private func supervise(_ group: inout TaskGroup<Event?>) async -> (any Error)? {
        var failure: (any Error)?
        var (running, open) = (services.count, closers.count)
        if running == 0 { closing.request() }
        while running + open > 0, let event = await group.next() {
            switch event {
            case .ended(let service, let error):
                running -= 1
                failure = failure ?? fault(service, error, isExpected: shutdown.isRequested)
                shutdown.request()
                if running == 0 { closing.request() }
            case .closerEnded(let service, let error):
                open -= 1
                failure = failure ?? fault(service, error, isExpected: closing.isRequested)
                shutdown.request()
            case .shutdownRequested:
                group.addTask { (try? await clock.sleep(for: drainLimit)).map { .drainLimitReached } }
            case .drainLimitReached:
                log.warning("drain limit reached", ["count": "\(running)"])
                group.cancelAll()
            case nil:
                break
            }
        }
        group.cancelAll()
        return failure
    }

    /// Logs the end of a service; nil when it may end now, as it does when it is cancelled at the end.
    private func fault(_ service: String, _ error: (any Error)?, isExpected: Bool) -> (any Error)? {
        log.info("service ended", ["service": service, "error": error.map { "\($0)" } ?? ""])
        if error is CancellationError, shutdown.isRequested { return nil }
        return error ?? (isExpected || shutdown.isRequested ? nil : EndedEarly(service: service))
    }
}
