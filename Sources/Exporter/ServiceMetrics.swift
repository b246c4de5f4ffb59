/// What the process knows about itself and its database.
struct ServiceMetrics: MetricSource {
    let version: String
    let sessions: [DatabaseSession]

    func metricFamilies() -> [MetricFamily] {
        [
            MetricFamily(
                "pgvigil_build_info", .gauge, "Version of the running program.",
                [.init(1, labels: [.init("version", version)])]),
            MetricFamily(
                "pgvigil_database_up", .gauge, "Whether a session with the store's database is open.",
                sessions.contains { $0.isOpen } ? 1 : 0),
            MetricFamily(
                "pgvigil_database_reconnects_total", .counter, "Sessions of the exporter that were opened again.",
                Double(sessions.reduce(0) { $0 + $1.reconnects })),
        ]
    }
}
