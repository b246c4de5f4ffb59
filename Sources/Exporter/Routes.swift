import Runtime

/// Which path is answered how; every method runs on a connection's own thread.
struct Routes: Sendable {
    /// The paths that are served.
    static let paths: Set<String> = [
        "/", "/metrics", "/metrics/service", serverPath, "/targets", "/healthz", "/readyz",
    ]
    /// Stands for the page of any one server.
    static let serverPath = "/metrics/SERVER"

    let pages: PageCache
    let discovery: SingleFlight<String>
    let readiness: SingleFlight<Readiness>
    let metrics: HTTPMetrics
    let registry: MetricRegistry
    let scrapes: Slots
    let waitLimit: Duration
    /// Where clients reach this process, as host and port, when that is not what they send as Host.
    var externalAddress: String?
    /// Who decides who is let in; nil lets everyone in.
    var gate: @Sendable () -> Gatekeeper? = { nil }
    /// Whether the process is about to end.
    var isDraining: @Sendable () -> Bool = { false }

    /// The response to a GET or HEAD.
    func respond(_ request: HTTPRequest) -> HTTPResponse {
        if let refusal = refusal(request) { return refusal }
        return switch request.path {
        case "/metrics": scrape(request, server: nil)
        case "/metrics/service": own(request)
        case "/targets": targets(request)
        case "/healthz": .text(200, "ok")
        case "/readyz": ready()
        case "/": HTTPResponse(status: 200, contentType: "text/html; charset=utf-8", body: .text(Self.index))
        default:
            if let server = Self.server(in: request.path) {
                scrape(request, server: server)
            } else {
                .text(404, "there is nothing at this path; see /")
            }
        }
    }

    /// The name of the server whose page a path means.
    static func server(in path: String) -> String? {
        let prefix = "/metrics/"
        guard path.hasPrefix(prefix) else { return nil }
        let name = path.dropFirst(prefix.count)
        let isPlain = name.utf8.allSatisfy {
            (97...122).contains($0) || (48...57).contains($0) || "_.-".utf8.contains($0)
        }
        return isPlain && (1...63).contains(name.utf8.count) ? String(name) : nil
    }

    /// Where each server's page is, as Prometheus' HTTP service discovery reads it.
    private func targets(_ request: HTTPRequest) -> HTTPResponse {
        guard let address = externalAddress ?? request.host, Self.isAddress(address) else {
            return .text(400, "the request names no host")
        }
        switch discovery.answer(waitingUpTo: waitLimit) {
        case .failure(let reason): return unavailable(reason)
        case .value(let text, _):
            return HTTPResponse(
                status: 200, contentType: "application/json", headers: [("Vary", "Host")],
                body: .text(
                    text.split(separator: Exporter.ownAddress, omittingEmptySubsequences: false)
                        .joined(separator: address)))
        }
    }

    /// Whether a Host header is one: letters, digits, and what addresses and ports are written with.
    private static func isAddress(_ text: String) -> Bool {
        (1...255).contains(text.utf8.count)
            && text.utf8.allSatisfy {
                (48...57).contains($0) || (65...90).contains($0) || (97...122).contains($0)
                    || ".-_:[]".utf8.contains($0)
            }
    }

    /// What the process knows about itself.
    private func own(_ request: HTTPRequest) -> HTTPResponse {
        let format = request.format
        let text = registry.families().map { $0.text(format) }.joined() + format.ending
        return HTTPResponse(
            status: 200, contentType: format.contentType, headers: [("Vary", "Accept")], body: .text(text))
    }

    private func scrape(_ request: HTTPRequest, server: String?) -> HTTPResponse {
        guard let place = scrapes.take() else {
            metrics.refused()
            return unavailable("too many scrapes at once")
        }
        let format = request.format
        switch pages.answer(PageKey(server: server, format: format), waitingUpTo: waitLimit) {
        case .failure(let reason): return unavailable(reason)
        case .value(let page, _) where page.isOfUnknownServer:
            return .text(404, "no server \"\(server ?? "")\" is watched; /targets lists those that are")
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

    /// What a request without the right to be answered gets.
    private func refusal(_ request: HTTPRequest) -> HTTPResponse? {
        guard let gate = gate(), gate.guardsProbes || !["/healthz", "/readyz"].contains(request.path) else {
            return nil
        }
        switch gate.verdict(authorization: request.authorization) {
        case .admitted: return nil
        case .busy:
            var response = HTTPResponse.text(503, "too many passwords are being tried")
            response.headers.append(("Retry-After", "1"))
            return response
        case .refused:
            var response = HTTPResponse.text(401, "authentication is needed here")
            response.headers += gate.challenges.map { ("WWW-Authenticate", $0) }
            return response
        }
    }

    private func ready() -> HTTPResponse {
        if isDraining() { return .text(503, "not ready: draining") }
        return switch readiness.answer(waitingUpTo: .seconds(3)) {
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
        <li>/metrics/SERVER: the same for another server that is watched
        <li><a href="/targets">/targets</a>: the addresses of these, for Prometheus' HTTP service discovery
        <li><a href="/metrics/service">/metrics/service</a>: this process alone, without the database
        <li><a href="/healthz">/healthz</a>: whether this process is alive
        <li><a href="/readyz">/readyz</a>: whether its database is reachable and has the right schema
        </ul>
        </html>

        """
}
