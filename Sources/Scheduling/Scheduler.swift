import Postgres
package import Runtime

/// The service that keeps time: asks the database what is due, executes it on kept sessions, reports how it ended.
///
/// Any number of instances may serve one database; each slot runs once, whoever claims it.
package final class Scheduler: Service {
    /// The name that log lines carry.
    package let name = "scheduler"
    /// The name of this start of the service.
    package let instance: InstanceID

    let settings: SchedulerSettings
    let shutdown: GracefulShutdown
    let log: Log
    let clock: any Clock<Duration>
    let pool: SessionPool
    let wakeup = Wakeup()
    /// Beats at each turn.
    package let heartbeat = Heartbeat("scheduler")
    let state: Lock<State>
    let loadJobs: (@Sendable () throws -> JobsDocument)?
    let openTarget: TargetOpening?
    /// Signalled when servers of targets may have to be asked about runs.
    let targetNews = Wakeup()

    struct State: Sendable {
        /// The control session while there is one.
        var control: ControlSession?
        /// Whether the jobs of the file are to be applied at the next turn.
        var mustReload: Bool
        var reloadNotBefore: ContinuousClock.Instant?
        /// Whether all sessions were at work at the latest turn, so that each freed one is news.
        var isSaturated = false
        var counts = SchedulerCounts()
        /// Until when the leases of this service hold, by its own clock, as of the latest heartbeat.
        var leasesEnd: ContinuousClock.Instant?
        /// Requested, and made anew, when that has come: what still executes is given up.
        var cutOff = GracefulShutdown()
    }

    /// `loadJobs` reads the file of jobs at the start and at each reload; nil leaves the jobs to SQL.
    ///
    /// `openTarget` opens sessions for jobs on other servers; without it these fail here, and what became of others'
    /// is left to others.
    package init(
        settings: SchedulerSettings, shutdown: GracefulShutdown, log: Log,
        clock: any Clock<Duration> = ContinuousClock(), instance: InstanceID = InstanceID(),
        loadJobs: (@Sendable () throws -> JobsDocument)? = nil,
        openTarget: TargetOpening? = nil
    ) {
        self.settings = settings
        self.shutdown = shutdown
        self.log = log
        self.clock = clock
        self.instance = instance
        self.loadJobs = loadJobs
        self.openTarget = openTarget
        pool = SessionPool(settings: settings)
        state = Lock(State(mustReload: loadJobs != nil))
    }

    /// Whether the service is in touch with its database.
    package var isConnected: Bool { state.withLock { $0.control?.connection.isOpen ?? false } }

    /// What the service did since its start.
    package var counts: SchedulerCounts { state.withLock { $0.counts } }

    /// Reads the file of jobs again at the next turn, which comes at once.
    package func reload() {
        guard loadJobs != nil else { return }
        state.withLock { state in
            state.mustReload = true
            state.reloadNotBefore = nil
        }
        wakeup.signal()
    }

    /// Serves until shutdown is asked for, then lets running jobs finish within the drain limit.
    package func run() async throws {
        await withDiscardingTaskGroup { group in
            group.addTask { await self.beat() }
            group.addTask { await self.watchLeases() }
            group.addTask { await self.watchTargets() }
            group.addTask {
                await self.shutdown.wait()
                self.wakeup.signal()
            }
            await dispatch(&group)
            await drain()
            group.cancelAll()
        }
        for session in pool.removeAllIdle() { await session.connection.close() }
        if let control = state.withLock({ $0.control }) { await control.connection.close() }
    }

    /// One turn after another, until shutdown; a lost database is waited for.
    private func dispatch(_ group: inout DiscardingTaskGroup) async {
        var pacer = TickPacer()
        var backoff = Backoff(base: .milliseconds(100), limit: .seconds(2))
        while !shutdown.isRequested, !Task.isCancelled {
            heartbeat.beat()
            do throws(PostgresError) {
                let control = try await controlSession(&group)
                await reloadJobs(control)
                let pause = try await turn(control, &pacer, &group)
                backoff.reset()
                heartbeat.beat(resting: pause)
                await wakeup.wait(upTo: pause, clock: clock)
            } catch {
                if error.kind == .cancelled { return }
                log.warning("scheduler turn failed", ["error": error.description])
                await dropControl()
                await wakeup.wait(upTo: backoff.next(), clock: clock)
            }
        }
    }

    /// Claims what is due for the free sessions and starts it; returns how long to sleep then.
    private func turn(
        _ control: ControlSession, _ pacer: inout TickPacer, _ group: inout DiscardingTaskGroup
    ) async throws(PostgresError) -> Duration {
        let sessions = pool.idle()
        let claim = sessions.isEmpty ? nil : try await control.claim(for: sessions)
        let runs = claim?.runs ?? []
        let isSaturated = runs.count == sessions.count
        state.withLock { $0.isSaturated = isSaturated }
        for run in runs {
            guard let session = pool.take(for: run) else {
                try await control.release(run)
                continue
            }
            group.addTask { await self.execute(run, on: session) }
        }
        if claim?.mustSignal == true { await reap(control) }
        if pool.reserveOpening(isSaturated: isSaturated) { group.addTask { await self.openSession() } }
        return pacer.pause(offered: sessions.count, claimed: runs.count, wait: claim?.wait ?? .zero)
    }

    /// The control session, opened anew when there is none.
    private func controlSession(_ group: inout DiscardingTaskGroup) async throws(PostgresError) -> ControlSession {
        if let control = state.withLock({ $0.control }), control.connection.isOpen { return control }
        let control = try await ControlSession.open(settings, instance: instance, process: ProcessIdentity())
        let news = try await control.connection.listen(ControlSession.channel)
        group.addTask {
            // Ends with the session; that it was lost the next turn will see, and it comes at once.
            do { for try await _ in news { self.wakeup.signal() } } catch { self.wakeup.signal() }
        }
        state.withLock { $0.control = control }
        log.info("scheduler is connected", ["instance": instance.description])
        await beat(control)
        return control
    }

    private func dropControl() async {
        let control = state.withLock { state in
            defer { state.control = nil }
            return state.control
        }
        await control?.connection.close()
        for session in pool.removeAllIdle() { await session.connection.close() }
    }
}
