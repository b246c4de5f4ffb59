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

    /// Takes the port, so that a taken one is known before anything else starts; `run` answers it.
    ///
    /// - Throws: `ListenFailure`.
    package init(
        _ configuration: ExporterConfiguration, shutdown: GracefulShutdown, log: Log
    ) throws(ListenFailure) {
        self.configuration = configuration
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
        let server = try HTTPServer(
            socket: socket,
            limits: .init(
                connections: configuration.connectionLimit,
                phases: .init(
                    firstRequest: configuration.headerLimit, response: configuration.responseLimit,
                    nextRequest: configuration.idleLimit)),
            handler: { [routes] in routes.respond($0) },
            observer: { [metrics] in metrics.observe(path: $0, status: $1, seconds: $2.inSeconds) })
        log.info("exporter listening", ["host": configuration.host, "port": "\(port)"])
        await withTaskGroup(of: Void.self) { group in
            group.addTask { for await key in self.pageWishes { await self.renderPage(key) } }
            group.addTask { for await _ in self.discoveryWishes { await self.findTargets() } }
            group.addTask { for await _ in self.readinessWishes { await self.askReadiness() } }
            await shutdown.wait()
            group.cancelAll()
            await stop(server)
        }
        await pageSession.close()
        await probeSession.close()
    }

    private var routes: Routes {
        Routes(
            pages: pages, discovery: discovery, readiness: readiness, metrics: metrics, registry: registry,
            scrapes: Slots(configuration.scrapeLimit), waitLimit: configuration.renderLimit + .seconds(1),
            externalAddress: configuration.externalURL?.address)
    }

    /// Stops the server on a thread of its own: libmicrohttpd blocks until its threads are gone.
    private func stop(_ server: HTTPServer) async {
        pages.stop()
        discovery.stop()
        readiness.stop()
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

    // MARK: The database

    private func renderPage(_ key: PageKey) async {
        let start = Monotonic.now()
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
            let answer = try await connection.query(
                "select monitoring.http_sd($1, $2, $3)",
                [Self.ownAddress, (url?.path ?? "") + "/metrics", url?.scheme ?? "http"],
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
        if !isUp, !wasDown, !shutdown.isRequested { log.warning("exporter has no page", ["error": reason]) }
        if isUp, wasDown { log.info("exporter has pages again") }
    }
}
