import Postgres
import Runtime

extension Scheduler {
    /// Executes one run and gives its session back.
    func execute(_ run: ClaimedRun, on session: ExecutionSession) async {
        let outcome = await outcome(of: run, on: session)
        pool.give(back: run, isReusable: outcome != .unknown)
        note(outcome, of: run)
        if outcome == .unknown {
            await session.connection.close()
            await settle(run)
        }
        if state.withLock({ $0.isSaturated }) || outcome == .unknown || shutdown.isRequested { wakeup.signal() }
    }

    /// Executes a run; stops it when the leases of this service lapse before it has ended.
    private func outcome(of run: ClaimedRun, on session: ExecutionSession) async -> ExecutionSession.Outcome {
        let cutOff = state.withLock { $0.cutOff }
        return await withTaskGroup(of: ExecutionSession.Outcome?.self) { group in
            group.addTask { await session.execute(run, self.openTarget) }
            group.addTask {
                await cutOff.wait()
                return nil
            }
            var outcome: ExecutionSession.Outcome?
            for await end in group {
                group.cancelAll()
                outcome = outcome ?? end
            }
            return outcome ?? .unknown
        }
    }

    /// Opens one more execution session; the scheduler goes on with those it has when that fails.
    func openSession() async {
        do throws(PostgresError) {
            pool.add(try await ExecutionSession.open(settings.execution))
            wakeup.signal()
        } catch {
            log.warning("no further session for jobs", ["error": error.description])
            // The room stays taken for a while, so that a full server is not asked in a tight loop.
            try? await clock.sleep(for: .seconds(1))
            pool.add(nil)
        }
    }

    /// Heartbeats until cancelled: leases, orphans, idle sessions.
    func beat() async {
        while (try? await clock.sleep(for: settings.heartbeatInterval)) != nil {
            for session in pool.removeIdle() { await session.connection.close() }
            if let control = state.withLock({ $0.control }), control.connection.isOpen { await beat(control) }
        }
    }

    /// Extends the leases, learns when they end, and settles those of services that are gone.
    func beat(_ control: ControlSession) async {
        let start = Monotonic.now()
        do throws(PostgresError) {
            let lease = try await control.extendLeases(
                within: state.withLock { $0.leasesEnd }.map { start.duration(to: $0) })
            // A service that was frozen meanwhile has lost its runs already: the new end is not theirs.
            giveUpLapsedRuns()
            state.withLock { $0.leasesEnd = start + lease }
            await reap(control)
        } catch {
            log.warning("heartbeat failed", ["error": error.description])
        }
    }

    /// Looks at the clock until cancelled, apart from the heartbeats, which may hang.
    func watchLeases() async {
        while (try? await clock.sleep(for: settings.heartbeatInterval / 4)) != nil { giveUpLapsedRuns() }
    }

    /// Stops what executes once its lease may be over: another service may execute it from then on.
    private func giveUpLapsedRuns() {
        let lapsed = state.withLock { state -> GracefulShutdown? in
            guard let end = state.leasesEnd, end <= Monotonic.now() + settings.heartbeatInterval / 2 else { return nil }
            defer {
                state.cutOff = GracefulShutdown()
                state.leasesEnd = nil
            }
            return state.cutOff
        }
        guard let lapsed else { return }
        if pool.busyCount > 0 {
            log.warning("out of touch for too long, giving up the jobs at work", ["count": "\(pool.busyCount)"])
        }
        lapsed.request()
    }

    /// Settles what lost sessions left behind, whoever's they were.
    func reap(_ control: ControlSession) async {
        do throws(PostgresError) {
            for row in try await control.reap() {
                log.warning(
                    "orphaned run",
                    ["run": row["run_id"] ?? "", "job": row["job_name"] ?? "", "action": row["status"] ?? ""])
            }
        } catch {
            log.warning("reaping failed", ["error": error.description])
        }
        targetNews.signal()
    }

    /// Brings the file's jobs into force when that is wished; whatever is wrong, the last good state stays.
    func reloadJobs(_ control: ControlSession) async {
        // The wish is taken before the file is read: one that comes meanwhile is for the next turn.
        guard let loadJobs, state.withLock({ Self.takeWish(&$0) }) else { return }
        do {
            let jobs = try loadJobs()
            try await Self.apply(jobs, control, log)
        } catch let error as PostgresError where error.isConnectionLost || error.kind == .connection {
            state.withLock { $0.mustReload = true }
        } catch let error as PostgresError where error.isTransient || error.sqlState == "57014" {
            // The database was busy, not the file wrong: the wish stands, but must not hold up the jobs there are.
            log.warning("jobs file is not in force yet, and is tried again", ["error": error.description])
            state.withLock { state in
                state.mustReload = true
                state.reloadNotBefore = Monotonic.now() + settings.reloadPause
            }
        } catch {
            log.error("jobs file is not in force", ["error": "\(error)"])
        }
    }

    private static func takeWish(_ state: inout State) -> Bool {
        guard state.mustReload, state.reloadNotBefore.map({ $0 <= Monotonic.now() }) ?? true else { return false }
        state.mustReload = false
        state.reloadNotBefore = nil
        return true
    }

    /// Lets running jobs finish, cancels them at the limit, and says goodbye.
    func drain() async {
        let deadline = Monotonic.now() + settings.drainLimit
        if let control = state.withLock({ $0.control }) { try? await control.drain() }
        while pool.busyCount > 0, Monotonic.now() < deadline, !Task.isCancelled {
            await wakeup.wait(upTo: Monotonic.now().duration(to: deadline), clock: clock)
        }
        guard let control = state.withLock({ $0.control }) else { return }
        let late = pool.busyCount
        if late > 0 {
            log.warning("drain limit reached, cancelling jobs", ["count": "\(late)"])
            try? await control.cancelAll()
        }
        let end = Monotonic.now() + .seconds(5)
        while pool.busyCount > 0, Monotonic.now() < end, !Task.isCancelled {
            await wakeup.wait(upTo: Monotonic.now().duration(to: end), clock: clock)
        }
        try? await control.leave()
    }

    /// After a session was lost: the ledger says whether its COMMIT arrived; if not, its lease ends now.
    private func settle(_ run: ClaimedRun) async {
        guard let control = state.withLock({ $0.control }) else { return }
        do throws(PostgresError) {
            if try await control.abandon(run) { await reap(control) }
        } catch {
            log.warning("run is left to the reaper", ["run": "\(run.id)", "error": error.description])
        }
    }

    private func note(_ outcome: ExecutionSession.Outcome, of run: ClaimedRun) {
        state.withLock { state in
            switch outcome {
            case .succeeded: state.counts.runs["succeeded", default: 0] += 1
            case .failed(let status, _): state.counts.runs[status, default: 0] += 1
            case .stale: state.counts.fenceRejected += 1
            case .unknown: state.counts.sessionsLost += 1
            }
        }
        switch outcome {
        case .succeeded: log.debug("run succeeded", ["job": run.jobName, "run": "\(run.id)"])
        case .failed(let status, let code):
            log.warning(
                "run did not succeed",
                ["job": run.jobName, "run": "\(run.id)", "status": status, "sqlstate": code ?? ""])
        case .stale: log.warning("stale run refused", ["job": run.jobName, "run": "\(run.id)"])
        case .unknown: log.warning("session of a run was lost", ["job": run.jobName, "run": "\(run.id)"])
        }
    }

    /// Applies jobs and logs what changed.
    ///
    /// - Throws: `JobFaults` with every fault.
    static func apply(_ jobs: JobsDocument, _ control: ControlSession, _ log: Log) async throws {
        let rows = try await control.apply(jobs)
        let faults = rows.filter { $0["action"] == "fault" }.map { JobFault(row: $0, source: jobs.source) }
        guard faults.isEmpty else { throw JobFaults(faults: faults) }
        for row in rows where row["action"] != "unchanged" {
            log.info("job applied", ["job": row["job_name"] ?? "", "action": row["action"] ?? ""])
        }
    }
}
