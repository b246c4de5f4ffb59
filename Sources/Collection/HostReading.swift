/// One figure of a machine.
package struct HostReading: Sendable, Equatable {
    /// Name of the metric.
    package let metric: String
    /// Labels besides the host's name.
    package let labels: [String: String]
    /// The value.
    package let value: Double

    init(_ metric: String, _ value: Double, _ labels: [String: String] = [:]) {
        self.metric = metric
        self.labels = labels
        self.value = value
    }
}
