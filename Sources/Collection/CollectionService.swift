package import Postgres
package import Runtime

/// Runs due collectors on a few kept sessions; any number of services may do so on one database.
///
/// The database decides what is due and who runs it. A collector that hangs holds one session until its time limit.
package struct CollectionService: Service {
    /// The name that log lines carry.
    package let name = "collection"

    private let configuration: PostgresConfiguration
    private let instanceID: String
    private let sessionCount: Int
    private let shutdown: GracefulShutdown
    private let log: Log
    private let clock: any Clock<Duration>

    /// Collects for `instanceID`, a UUID, on `sessions` connections of its own.
    package init(
        configuration: PostgresConfiguration, instanceID: String, sessions: Int = 2, shutdown: GracefulShutdown,
        log: Log, clock: any Clock<Duration> = ContinuousClock()
    ) {
        self.configuration = configuration
        self.instanceID = instanceID
        self.sessionCount = max(1, sessions)
        self.shutdown = shutdown
        self.log = log
        self.clock = clock
    }

    /// Collects until shutdown is asked for; runs that were begun are finished.
    package func run() async throws {
        let memory = StatusMemory()
        await withTaskGroup(of: Void.self) { group in
            for _ in 0..<sessionCount {
                let worker = CollectionWorker(
                    configuration: configuration, instanceID: instanceID, shutdown: shutdown, log: log, clock: clock,
                    memory: memory)
                group.addTask { await worker.run() }
            }
        }
    }
}
