package import Postgres
package import Runtime

/// Archives what is due by itself; any number of services may do so for one store.
package struct ArchiveService: Service {
    /// The name that log lines carry.
    package let name = "archive"

    private let configuration: PostgresConfiguration
    private let settings: ArchiveSettings
    private let instanceID: String
    private let shutdown: GracefulShutdown
    private let log: Log
    private let clock: any Clock<Duration>

    /// The longest sleep: until then a day that was just marked waits.
    private static let longest = Duration.seconds(30)

    /// Works as `instanceID`, a UUID.
    package init(
        configuration: PostgresConfiguration, settings: ArchiveSettings, instanceID: String,
        shutdown: GracefulShutdown, log: Log, clock: any Clock<Duration> = ContinuousClock()
    ) {
        self.configuration = configuration
        self.settings = settings
        self.instanceID = instanceID
        self.shutdown = shutdown
        self.log = log
        self.clock = clock
    }

    /// Works until shutdown is asked for; a day in hand is given back then.
    package func run() async throws {
        var backoff = Backoff()
        while !shutdown.isRequested, !Task.isCancelled {
            var pause: Duration
            do {
                pause = try await round()
                backoff.reset()
            } catch {
                if let fault = error as? ArchiveFault, fault.kind == .interrupted { return }
                let problem = error as? PostgresError
                if error is CancellationError || problem?.kind == .cancelled { return }
                pause = backoff.next()
                log.warning(
                    "archive_interrupted",
                    ["error": problem?.description ?? "\(error)", "sqlstate": problem?.sqlState ?? ""])
            }
            guard await shutdown.sleep(for: pause, clock: clock) else { return }
        }
    }

    /// Does all that is due, on a session that ends with it; the sleep after it.
    private func round() async throws -> Duration {
        let control = try await PostgresConnection.connect(configuration)
        let archiver = Archiver(
            control: control, configuration: configuration, instanceID: instanceID, settings: settings,
            shutdown: shutdown)
        do {
            while !shutdown.isRequested, let outcome = try await archiver.next() { report(outcome) }
            let delay = try await archiver.delayUntilNext() ?? Self.longest
            await control.close()
            return max(.seconds(1), min(delay, Self.longest))
        } catch {
            await control.close()
            throw error
        }
    }

    private func report(_ outcome: Archiver.Outcome) {
        switch outcome {
        case .done(let claim):
            log.info(
                "archive_done", ["action": claim.action, "class": claim.retentionClass, "day": claim.day])
        case .failed(let claim, let error):
            log.warning(
                "archive_failed",
                ["action": claim.action, "class": claim.retentionClass, "day": claim.day, "error": error])
        }
    }
}
