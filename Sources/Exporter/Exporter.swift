import Postgres
package import Runtime

/// Serves `/metrics`, `/healthz` and `/readyz`; asks nothing but its own store, never a monitored server.
package final class Exporter: Service {
    /// The name that log lines carry.
    package let name = "exporter"
    /// Where figures of other parts of the process are added to the page.
    package let registry = MetricRegistry()
    /// The port that is listened on.
    package var port: UInt16 { socket.port }

    private let configuration: ExporterConfiguration
    private let shutdown: GracefulShutdown
    private let log: Log
    private let socket: ListeningSocket
    private let metrics = HTTPMetrics()
    private let pages: PageCache
    private let discovery: SingleFlight<String>
    private let readiness: SingleFlight<Readiness>
    private let pageWishes: AsyncStream<PageKey>
    private let discoveryWishes: AsyncStream<Void>
    private let readinessWishes: AsyncStream<Void>
    private let pageSession: DatabaseSession
    private let probeSession: DatabaseSession
    private let isDown = Lock(false)
    /// Beats while pages are rendered as fast as they have to be, or none is asked for.
    package let heartbeat = Heartbeat("exporter")
    private let draining: GracefulShutdown
    private let onListening: @Sendable () -> Void
    private let renderingSince = Lock<ContinuousClock.Instant?>(nil)
    private let gate = Lock<Gatekeeper?>(nil)
    private let reloads: AsyncStream<@Sendable () -> Void>
    private let reloadWish: AsyncStream<@Sendable () -> Void>.Continuation

    /// Takes the port, so that a taken one is known before anything else starts; `run` answers it.
    ///
    /// `draining` is requested when the process is about to end, some time before `shutdown`; `onListening` is called
    /// once, when requests are answered.
    /// - Throws: `ListenFailure`.
    package init(
        _ configuration: ExporterConfiguration, shutdown: GracefulShutdown, draining: GracefulShutdown? = nil,
        log: Log, onListening: @escaping @Sendable () -> Void = {}
    ) throws(ListenFailure) {
        self.configuration = configuration
        self.draining = draining ?? shutdown
        self.onListening = onListening
        (reloads, reloadWish) = AsyncStream.makeStream(bufferingPolicy: .unbounded)
        self.shutdown = shutdown
        self.log = log
        socket = try ListeningSocket(host: configuration.host, port: configuration.port)
        // Unbounded: of each page one wish is under way, and none may be lost.
        let (pageWishes, pageWish) = AsyncStream<PageKey>.makeStream(bufferingPolicy: .unbounded)
        let (readinessWishes, readinessWish) = AsyncStream<Void>.makeStream(bufferingPolicy: .bufferingNewest(1))
        let (discoveryWishes, discoveryWish) = AsyncStream<Void>.makeStream(bufferingPolicy: .bufferingNewest(1))
        self.pageWishes = pageWishes
        self.discoveryWishes = discoveryWishes
        self.readinessWishes = readinessWishes
        pages = PageCache { key in SingleFlight(lifetime: configuration.cacheLifetime) { pageWish.yield(key) } }
        discovery = SingleFlight(lifetime: configuration.cacheLifetime) { discoveryWish.yield() }
        readiness = SingleFlight(lifetime: .seconds(1)) { readinessWish.yield() }
        pageSession = DatabaseSession(configuration.database)
        probeSession = DatabaseSession(configuration.database)
        registry.add(
            ServiceMetrics(version: configuration.version, sessions: [pageSession, probeSession]))
        registry.add(ProcessMetrics())
        registry.add(metrics)
    }

    /// Answers until shutdown is asked for; then ends every connection within milliseconds.
    package func run() async throws {
        let loaded = try configuration.security.load()
        gate.withLock { $0 = loaded.gate }
        let server = Lock(try start(loaded))
        log.info("exporter listening", ["host": configuration.host, "port": "\(port)"])
        warn(loaded)
        onListening()
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await self.beat() }
            group.addTask {
                var identity = loaded.identity
                for await done in self.reloads {
                    await self.reload(server, &identity)
                    done()
                }
            }
            group.addTask { for await key in self.pageWishes { await self.renderPage(key) } }
            group.addTask { for await _ in self.discoveryWishes { await self.findTargets() } }
            group.addTask { for await _ in self.readinessWishes { await self.askReadiness() } }
            await shutdown.wait()
            group.cancelAll()
            pages.stop()
            discovery.stop()
            readiness.stop()
            await stop(server.withLock { $0 })
        }
        await pageSession.close()
        await probeSession.close()
    }

    private var routes: Routes {
        Routes(
            pages: pages, discovery: discovery, readiness: readiness, metrics: metrics, registry: registry,
            scrapes: Slots(configuration.scrapeLimit), waitLimit: configuration.renderLimit + .seconds(1),
            externalAddress: configuration.externalURL?.address,
            gate: { [self] in gate.withLock { $0 } }, isDraining: { [draining] in draining.isRequested })
    }

    /// Stops the server on a thread of its own: libmicrohttpd blocks until its threads are gone.
    private func stop(_ server: HTTPServer) async {
        await withCheckedContinuation { continuation in
            do {
                try OSThread.start(name: "http stop") {
                    server.stop()
                    continuation.resume()
                }
            } catch {
                server.stop()
                continuation.resume()
            }
        }
    }

    // MARK: Protection

    /// Reads certificate, key, tokens and passwords again; what cannot be used leaves the present ones in force.
    ///
    /// - Parameter done: called afterwards, whatever came of it.
    package func reload(done: @escaping @Sendable () -> Void = {}) { reloadWish.yield(done) }

    private func reload(_ server: Lock<HTTPServer>, _ identity: inout TLSIdentity?) async {
        do {
            let loaded = try configuration.security.load()
            if loaded.identity != identity {
                // Both listen on the same socket for a moment, so that no client is sent away.
                let new = try start(loaded)
                let old = server.withLock { server in
                    defer { server = new }
                    return server
                }
                await stop(old)
                identity = loaded.identity
                log.info("exporter has a new certificate")
            }
            gate.withLock { $0 = loaded.gate }
            warn(loaded)
        } catch {
            log.error("exporter keeps its certificate and passwords", ["error": "\(error)"])
        }
    }

    private func start(_ loaded: LoadedSecurity) throws(ListenFailure) -> HTTPServer {
        let server = try HTTPServer(
            socket: socket,
            limits: .init(
                connections: configuration.connectionLimit,
                phases: .init(
                    firstRequest: configuration.headerLimit, response: configuration.responseLimit,
                    nextRequest: configuration.idleLimit)),
            identity: loaded.identity, handler: { [routes] in routes.respond($0) },
            observer: { [metrics] in metrics.observe(path: $0, status: $1, seconds: $2.inSeconds) })
        return server
    }

    /// Says what leaves the exporter open; never what is in a file.
    private func warn(_ loaded: LoadedSecurity) {
        for path in loaded.exposed { log.warning("every user may read a secret", ["file": path]) }
        let lacks = configuration.security.lacks
        guard !socket.isLocal, !lacks.isEmpty else { return }
        log.warning(
            "exporter is open to the network", ["host": configuration.host, "lacks": lacks.joined(separator: ", ")])
    }

    /// Beats as long as no page takes longer than its limits allow.
    private func beat() async {
        let limit = configuration.renderLimit + configuration.database.connectTimeout + .seconds(5)
        repeat {
            let start = renderingSince.withLock { $0 }
            if start.map({ Monotonic.now() - $0 < limit }) ?? true { heartbeat.beat() }
        } while await shutdown.sleep(for: .seconds(2))
    }

    // MARK: The database

    private func renderPage(_ key: PageKey) async {
        let start = Monotonic.now()
        renderingSince.withLock { $0 = start }
        defer { renderingSince.withLock { $0 = nil } }
        let builder = MetricsPageBuilder()
        // The process's own figures are on the page without a server.
        let families = key.server == nil ? registry.families() : []
        // The store must not repeat a family that the process writes itself.
        let names = "{" + families.map(\.name).joined(separator: ",") + "}"
        do {
            let connection = try await pageSession.connection()
            try await connection.stream(
                """
                select monitoring.export_metrics_prometheus_lines(
                    excluded_names => $1::text[], server => $2, format => $3)
                """,
                [names, key.server, key.format.rawValue], timeout: configuration.renderLimit
            ) { row in
                if let lines = row[0] { builder.add(lines) }
            }
            for family in key.server == nil ? registry.families() : [] { builder.add(family.text(key.format)) }
            builder.add(key.format.ending)
            let page = builder.finished()
            metrics.rendered(seconds: (Monotonic.now() - start).inSeconds, bytes: page.plainCount)
            pages.flight(key).finish(page)
            noteDatabase(isUp: true, reason: "")
        } catch let error as PostgresError where error.sqlState == Self.unknownServer {
            pages.flight(key).finish(.unknownServer)
        } catch {
            metrics.renderFailed()
            pages.flight(key).fail(Self.reason(error))
            noteDatabase(isUp: false, reason: "\(error)")
        }
    }

    private func findTargets() async {
        do {
            let connection = try await probeSession.connection()
            let url = configuration.externalURL
            let scheme = configuration.security.certificatePath == nil ? "http" : "https"
            let answer = try await connection.query(
                "select monitoring.http_sd($1, $2, $3)",
                [Self.ownAddress, (url?.path ?? "") + "/metrics", url?.scheme ?? scheme],
                timeout: configuration.renderLimit)
            discovery.finish(answer.scalar ?? "[]")
        } catch {
            discovery.fail(Self.reason(error))
        }
    }

    private func askReadiness() async {
        do {
            let connection = try await probeSession.connection()
            let answer = try await connection.query(
                "select monitoring_internal.readiness_fault($1)", [configuration.schemaVersion],
                timeout: configuration.readinessLimit)
            readiness.finish(answer.scalar.map { .notReady($0) } ?? .ready)
        } catch {
            readiness.fail(Self.reason(error))
        }
    }

    /// What a client is told: safe to show to anyone who can reach the port.
    private static func reason(_ error: any Error) -> String {
        guard let error = error as? PostgresError else { return "the service is stopping" }
        switch error.kind {
        case .connection: return "the database is not reachable"
        case .timeout: return "the database did not answer in time"
        case .cancelled: return "the service is stopping"
        case .server where Self.missingObject.contains(error.sqlState ?? ""):
            return "the database has no schema of pgvigil; run: pgvigil migrate up"
        case .server, .usage: return "the database refused (SQLSTATE \(error.sqlState ?? "unknown")); see the log"
        }
    }

    /// Stands in the list of targets for the address that a client uses; no server's name holds the sign.
    static let ownAddress = "@"
    /// The code for a server's name that the store does not know.
    private static let unknownServer = "PV607"
    /// Schema, table or function that does not exist.
    private static let missingObject: Set<String> = ["3F000", "42P01", "42883"]

    /// Logs the changes only, not every failed scrape.
    private func noteDatabase(isUp: Bool, reason: String) {
        let wasDown = isDown.withLock { isDown in
            defer { isDown = !isUp }
            return isDown
        }
        if !isUp, !wasDown, !draining.isRequested { log.warning("exporter has no page", ["error": reason]) }
        if isUp, wasDown { log.info("exporter has pages again") }
    }
}
