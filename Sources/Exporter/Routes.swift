import Runtime

/// Which path is answered how; every method runs on a connection's own thread.
struct Routes: Sendable {
    /// The paths that are served.
    static let paths: Set<String> = ["/", "/metrics", "/metrics/service", "/healthz", "/readyz"]

    let pages: PageCache
    let readiness: SingleFlight<Readiness>
    let metrics: HTTPMetrics
    let registry: MetricRegistry
    let scrapes: Slots
    let waitLimit: Duration

    /// The response to a GET or HEAD.
    func respond(_ request: HTTPRequest) -> HTTPResponse {
        switch request.path {
        case "/metrics": scrape(request)
        case "/metrics/service": own(request)
        case "/healthz": .text(200, "ok")
        case "/readyz": ready()
        case "/": HTTPResponse(status: 200, contentType: "text/html; charset=utf-8", body: .text(Self.index))
        default: .text(404, "there is nothing at this path; see /")
        }
    }

    /// What the process knows about itself.
    private func own(_ request: HTTPRequest) -> HTTPResponse {
        let format = request.format
        let text = registry.families().map { $0.text(format) }.joined() + format.ending
        return HTTPResponse(
            status: 200, contentType: format.contentType, headers: [("Vary", "Accept")], body: .text(text))
    }

    private func scrape(_ request: HTTPRequest) -> HTTPResponse {
        guard let place = scrapes.take() else {
            metrics.refused()
            return unavailable("too many scrapes at once")
        }
        let format = request.format
        switch pages.flight(PageKey(format: format)).answer(waitingUpTo: waitLimit) {
        case .failure(let reason): return unavailable(reason)
        case .value(let page, let isCached):
            if isCached { metrics.cacheHit() }
            var headers: [(name: String, value: String)] = [("Vary", "Accept, Accept-Encoding")]
            if request.acceptsGzip { headers.append(("Content-Encoding", "gzip")) }
            return HTTPResponse(
                status: 200, contentType: format.contentType, headers: headers,
                body: .page(page, packed: request.acceptsGzip, place: place))
        }
    }

    private func unavailable(_ reason: String) -> HTTPResponse {
        var response = HTTPResponse.text(503, "no metrics: \(reason)")
        response.headers.append(("Retry-After", "1"))
        return response
    }

    private func ready() -> HTTPResponse {
        switch readiness.answer(waitingUpTo: .seconds(3)) {
        case .value(.ready, _): .text(200, "ready")
        case .value(.notReady(let reason), _), .failure(let reason): .text(503, "not ready: \(reason)")
        }
    }

    private static let index = """
        <!doctype html>
        <html lang="en">
        <title>pgvigil</title>
        <h1>pgvigil</h1>
        <ul>
        <li><a href="/metrics">/metrics</a>: the newest value of every series, for Prometheus
        <li><a href="/metrics/service">/metrics/service</a>: this process alone, without the database
        <li><a href="/healthz">/healthz</a>: whether this process is alive
        <li><a href="/readyz">/readyz</a>: whether its database is reachable and has the right schema
        </ul>
        </html>

        """
}
