package import Postgres
package import Runtime
package import Secrets

/// Runs due collectors on the databases of targets; any number of services may do so for one store.
///
/// The store decides what is due and how long a target that failed is left alone. Apart from the workers of the
/// store's own database: whatever a network does to these sessions, those go on.
package struct TargetCollectionService: Service {
    /// The name that log lines carry.
    package let name = "target collection"

    private let store: TargetStore
    private let stock: PostgresPool
    private let sessions: TargetSessions
    private let runner: TargetRunner
    private let limit: Int
    private let shutdown: GracefulShutdown
    private let log: Log
    private let clock: any Clock<Duration>

    /// The longest sleep: databases that are new to a server are found after it.
    private static let longestSleep = Duration.seconds(30)

    /// Collects for `instanceID`, a UUID, with at most `sessions` sessions on all targets together.
    package init(
        configuration: PostgresConfiguration, secrets: SecretOpener, instanceID: String, sessions count: Int = 16,
        shutdown: GracefulShutdown, log: Log, clock: any Clock<Duration> = ContinuousClock()
    ) {
        stock = PostgresPool(configuration, size: count > 4 ? 2 : 1, openLimit: .seconds(5), clock: clock)
        store = TargetStore(pool: stock, instanceID: instanceID)
        sessions = TargetSessions(
            connector: TargetConnector(home: configuration, secrets: secrets, clock: clock), limit: count)
        runner = TargetRunner(store: store, sessions: sessions, memory: StatusMemory(), log: log)
        limit = count
        self.shutdown = shutdown
        self.log = log
        self.clock = clock
    }

    /// Collects until shutdown is asked for; collections that were begun are finished.
    package func run() async throws {
        let crew = Crew()
        await withTaskGroup(of: Void.self) { group in
            var backoff = Backoff()
            var pacer = ClaimPacer()
            var begun = 0
            while !shutdown.isRequested, !Task.isCancelled {
                while begun > crew.count || begun >= limit {
                    await group.next()
                    begun -= 1
                }
                await sessions.closeIdle()
                // Taken before the claim, so that an end meanwhile is not slept over.
                let end = crew.nextEnd
                do throws(PostgresError) {
                    let claims = try await store.claim(limit - begun)
                    for claim in claims {
                        crew.join()
                        begun += 1
                        group.addTask {
                            await runner.run(claim)
                            crew.leave()
                        }
                    }
                    backoff.reset()
                    guard claims.isEmpty else {
                        pacer.claimed()
                        continue
                    }
                    let due = try await store.delayUntilNext() ?? Self.longestSleep
                    await rest(pacer.pause(untilDue: due), or: end)
                } catch {
                    guard await rest(after: error, &backoff) else { break }
                }
            }
            await group.waitForAll()
        }
        await sessions.closeIdle(all: true)
        await stock.close()
    }

    /// Closes the idle sessions on a target, for somebody who needs one there.
    func giveWay(on targetID: Int) async { await sessions.forget(targetID) }

    /// Sleeps until the time has passed, shutdown is asked for, or a collection ended, which makes room on its target.
    private func rest(_ pause: Duration, or end: GracefulShutdown) async {
        await withTaskGroup(of: Void.self) { group in
            group.addTask { _ = await shutdown.sleep(for: pause, clock: clock) }
            group.addTask { await end.wait() }
            await group.next()
            group.cancelAll()
        }
    }

    /// Waits after the store failed; false when it is time to end.
    private func rest(after error: PostgresError, _ backoff: inout Backoff) async -> Bool {
        guard error.kind != .cancelled else { return false }
        let pause = backoff.next()
        log.warning(
            "target_collection_interrupted",
            [
                "error": error.description, "sqlstate": error.sqlState ?? "",
                "retry_in_ms": String(pause.millisecondsRoundedUp),
            ])
        return await shutdown.sleep(for: pause, clock: clock)
    }
}
