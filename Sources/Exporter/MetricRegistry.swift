import Runtime

/// A part of the process that has figures for the page; asked at each rendering.
package protocol MetricSource: Sendable {
    /// Its families as they stand; quick, and without waiting for anything.
    func metricFamilies() -> [MetricFamily]
}

/// Everybody who contributes to the process's own part of the page.
package final class MetricRegistry: Sendable {
    private let sources = Lock([any MetricSource]())

    /// Nobody contributes yet.
    package init() {}

    /// Adds a contributor; of two families of one name the first contributor's stays.
    package func add(_ source: any MetricSource) { sources.withLock { $0.append(source) } }

    /// All families, by name, each name once.
    package func families() -> [MetricFamily] {
        var families: [String: MetricFamily] = [:]
        for family in sources.withLock({ $0 }).flatMap({ $0.metricFamilies() }) where families[family.name] == nil {
            families[family.name] = family
        }
        return families.values.sorted { $0.name < $1.name }
    }
}
