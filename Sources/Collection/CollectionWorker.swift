import Postgres
import Runtime

/// One session's loop: claim, run, sleep; a lost connection is opened again, with growing pauses.
struct CollectionWorker: Sendable {
    let configuration: PostgresConfiguration
    let instanceID: String
    let shutdown: GracefulShutdown
    let log: Log
    let clock: any Clock<Duration>
    let memory: StatusMemory

    /// Works until shutdown is asked for or the task is cancelled.
    func run() async {
        var backoff = Backoff()
        var unreported: (claim: ClaimedCollection, error: PostgresError)?
        while !shutdown.isRequested, !Task.isCancelled {
            do throws(PostgresError) {
                let session = try await CollectionSession.open(configuration, instanceID: instanceID)
                if let lost = unreported {
                    unreported = nil
                    await report(lost.claim, lost.error, on: session)
                }
                unreported = try await work(on: session) { backoff.reset() }
                await session.close()
            } catch {
                guard error.kind != .cancelled else { return }
                let pause = backoff.next()
                log.warning(
                    "collection_interrupted",
                    [
                        "error": error.description, "sqlstate": error.sqlState ?? "",
                        "retry_in_ms": String(pause.millisecondsRoundedUp),
                    ])
                guard await shutdown.sleep(for: pause, clock: clock) else { return }
            }
        }
    }

    /// Claims and runs until shutdown; returns the run whose connection was lost, to be reported on the next one.
    private func work(
        on session: CollectionSession, onProgress: () -> Void
    ) async throws(PostgresError) -> (claim: ClaimedCollection, error: PostgresError)? {
        var pacer = ClaimPacer()
        while !shutdown.isRequested, !Task.isCancelled {
            guard let claim = try await session.claimNext() else {
                onProgress()
                let pause = pacer.pause(untilDue: try await session.delayUntilNext())
                guard await shutdown.sleep(for: pause, clock: clock) else { return nil }
                continue
            }
            pacer.claimed()
            do throws(PostgresError) {
                note(try await session.run(claim))
                onProgress()
            } catch {
                if error.kind == .cancelled { throw error }
                log.warning(
                    "collector_unfinished",
                    ["collector": claim.name, "error": error.description, "sqlstate": error.sqlState ?? ""])
                guard session.isOpen else { return error.sqlState == "PV403" ? nil : (claim, error) }
            }
        }
        return nil
    }

    /// The lease may have run out meanwhile; then whoever took it over has logged this run.
    private func report(_ claim: ClaimedCollection, _ error: PostgresError, on session: CollectionSession) async {
        do throws(PostgresError) {
            note(try await session.report(error, of: claim))
        } catch {
            log.info("collector_report_late", ["collector": claim.name, "sqlstate": error.sqlState ?? ""])
        }
    }

    private func note(_ run: CollectionRun) {
        guard memory.isChange(run.status, of: run.name) else {
            log.debug("collector_ran", ["collector": run.name, "status": run.status, "samples": String(run.samples)])
            return
        }
        if run.isOK {
            log.info("collector_recovered", ["collector": run.name])
        } else {
            log.warning(
                "collector_not_ok", ["collector": run.name, "status": run.status, "sqlstate": run.sqlState ?? ""])
        }
    }
}
