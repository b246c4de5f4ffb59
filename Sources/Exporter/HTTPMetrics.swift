import Runtime

/// Counts what the HTTP server does.
final class HTTPMetrics: MetricSource {
    private struct Exchange: Hashable {
        let path: String
        let status: UInt32
    }

    private struct Times {
        var buckets = [Int](repeating: 0, count: HTTPMetrics.bounds.count)
        var sum = 0.0
        var count = 0
    }

    private struct State {
        var requests: [Exchange: Int] = [:]
        var times: [String: Times] = [:]
        var cacheHits = 0
        var renders = 0
        var failures = 0
        var refusals = 0
        var renderSeconds = 0.0
        var pageBytes = 0
    }

    /// Upper bounds of the histogram in seconds.
    static let bounds = [0.001, 0.005, 0.025, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]
    private let state = Lock(State())

    /// One exchange ended; a path that is not served counts as `other`, so that clients cannot make series.
    func observe(path: String, status: UInt32, seconds: Double) {
        let shown = Routes.server(in: path) == nil || Routes.paths.contains(path) ? path : Routes.serverPath
        let path = Routes.paths.contains(shown) ? shown : "other"
        state.withLock { state in
            state.requests[Exchange(path: path, status: status), default: 0] += 1
            var times = state.times[path] ?? Times()
            for (index, bound) in Self.bounds.enumerated() where seconds <= bound { times.buckets[index] += 1 }
            times.sum += seconds
            times.count += 1
            state.times[path] = times
        }
    }

    /// A scrape was answered with a page that was there already.
    func cacheHit() { state.withLock { $0.cacheHits += 1 } }

    /// A scrape was sent away because too many were under way.
    func refused() { state.withLock { $0.refusals += 1 } }

    /// The database rendered a page.
    func rendered(seconds: Double, bytes: Int) {
        state.withLock { state in
            state.renders += 1
            state.renderSeconds = seconds
            state.pageBytes = bytes
        }
    }

    /// The database did not render a page.
    func renderFailed() { state.withLock { $0.failures += 1 } }

    func metricFamilies() -> [MetricFamily] {
        let state = state.withLock { $0 }
        return [
            requests(state), times(state),
            MetricFamily(
                "pgvigil_scrape_cache_hits_total", .counter, "Scrapes answered by a page that was there already.",
                Double(state.cacheHits)),
            MetricFamily(
                "pgvigil_scrape_renders_total", .counter, "Pages that the database rendered before this one.",
                Double(state.renders)),
            MetricFamily(
                "pgvigil_scrape_failures_total", .counter, "Pages that the database failed to render.",
                Double(state.failures)),
            MetricFamily(
                "pgvigil_scrape_refusals_total", .counter, "Scrapes refused because too many were under way.",
                Double(state.refusals)),
            MetricFamily(
                "pgvigil_scrape_render_seconds", .gauge, "Time that the page before this one took.",
                state.renderSeconds),
            MetricFamily(
                "pgvigil_scrape_page_bytes", .gauge, "Size of the page before this one, not packed.",
                Double(state.pageBytes)),
        ]
    }

    private func requests(_ state: State) -> MetricFamily {
        let sorted = state.requests.sorted { ($0.key.path, $0.key.status) < ($1.key.path, $1.key.status) }
        return MetricFamily(
            "pgvigil_http_requests_total", .counter, "Finished HTTP exchanges by path and status.",
            sorted.map { exchange, count in
                MetricFamily.Sample(
                    Double(count),
                    labels: [.init("path", exchange.path), .init("code", String(exchange.status))])
            })
    }

    private func times(_ state: State) -> MetricFamily {
        var samples: [MetricFamily.Sample] = []
        for (path, times) in state.times.sorted(by: { $0.key < $1.key }) {
            let label = MetricFamily.Label("path", path)
            for (bound, count) in zip(Self.bounds, times.buckets) {
                samples.append(
                    .init(suffix: "_bucket", Double(count), labels: [label, .init("le", MetricFamily.number(bound))]))
            }
            samples.append(.init(suffix: "_bucket", Double(times.count), labels: [label, .init("le", "+Inf")]))
            samples.append(.init(suffix: "_sum", times.sum, labels: [label]))
            samples.append(.init(suffix: "_count", Double(times.count), labels: [label]))
        }
        return MetricFamily(
            "pgvigil_http_request_seconds", .histogram,
            "Time from a request's last header to its response's last byte.", samples)
    }
}
