package import Postgres
package import Runtime

/// Measures the service's machine and stores the figures, with whether that is the database's machine too.
package struct HostMonitor: Service {
    /// The name that log lines carry.
    package let name = "host monitor"

    private let configuration: PostgresConfiguration
    private let hostName: String
    private let every: Duration
    private let files: HostFiles
    private let shutdown: GracefulShutdown
    private let log: Log
    private let clock: any Clock<Duration>
    private let moment: @Sendable () -> Duration

    /// Measures `every` so often and stores under `hostName`; `moment` is a steady clock's time.
    package init(
        configuration: PostgresConfiguration, hostName: String, every: Duration = .seconds(15),
        files: HostFiles = HostFiles(), shutdown: GracefulShutdown, log: Log,
        clock: any Clock<Duration> = ContinuousClock(),
        moment: @escaping @Sendable () -> Duration = { HostMonitor.sinceStart() }
    ) {
        self.configuration = configuration
        self.hostName = hostName
        self.every = every
        self.files = files
        self.shutdown = shutdown
        self.log = log
        self.clock = clock
        self.moment = moment
    }

    /// Measures until shutdown is asked for.
    package func run() async throws {
        var backoff = Backoff()
        var sampler = HostSampler(files: files)
        while !shutdown.isRequested, !Task.isCancelled {
            do throws(PostgresError) {
                let connection = try await PostgresConnection.connect(configuration)
                try await measure(&sampler, on: connection, &backoff)
                await connection.close()
            } catch {
                guard error.kind != .cancelled else { return }
                let pause = backoff.next()
                log.warning(
                    "host_monitor_interrupted",
                    [
                        "error": error.description, "sqlstate": error.sqlState ?? "",
                        "retry_in_ms": String(pause.millisecondsRoundedUp),
                    ])
                guard await shutdown.sleep(for: pause, clock: clock) else { return }
            }
        }
    }

    private func measure(
        _ sampler: inout HostSampler, on connection: PostgresConnection, _ backoff: inout Backoff
    ) async throws(PostgresError) {
        let facts = try await connection.query(
            "select * from monitoring_internal.host_facts()", timeout: Self.limit
        ).single()
        let isLocal = try facts.decode("is_local_connection", as: Bool.self)
        let backend = String(connection.backendPID)
        while !shutdown.isRequested, !Task.isCancelled {
            // Asked anew each time: the proof is worth no more than the moment.
            let placement = HostPlacement(
                isLocalConnection: isLocal, dataDirectory: facts["data_directory"], backendProcess: backend,
                files: files)
            let readings = sampler.sample(
                moment: moment(), process: placement.process, directory: placement.directory)
            try await store(readings, placement, on: connection)
            backoff.reset()
            guard await shutdown.sleep(for: every, clock: clock) else { return }
        }
    }

    private func store(
        _ readings: [HostReading], _ placement: HostPlacement, on connection: PostgresConnection
    ) async throws(PostgresError) {
        _ = try await connection.query(
            """
            select monitoring_internal.store_host_metrics(
                $1, $2::boolean, $3, $4, $5::text[], $6::jsonb[], $7::double precision[])
            """,
            [
                hostName, placement.isDatabaseHost ? "true" : "false", placement.reason, placement.directory,
                ArrayText.text(readings.map(\.metric)), ArrayText.text(readings.map { Self.json($0.labels) }),
                ArrayText.text(readings.map { String($0.value) }),
            ], timeout: Self.limit)
    }

    private static let limit = Duration.seconds(10)
    private static let start = ContinuousClock.now

    /// A steady clock's time.
    package static func sinceStart() -> Duration { start.duration(to: .now) }

    /// Labels as an object; device names hold neither quotes nor backslashes, and what does is left out.
    private static func json(_ labels: [String: String]) -> String {
        let plain = labels.filter { !$0.value.contains("\"") && !$0.value.contains("\\") }
        return "{" + plain.sorted { $0.key < $1.key }.map { "\"\($0.key)\": \"\($0.value)\"" }.joined(separator: ", ")
            + "}"
    }
}
