import Runtime

/// The last status of each collector, so that a log line tells of a change and not of every run.
final class StatusMemory: Sendable {
    private let statuses = Lock<[String: String]>([:])

    /// Remembers the status; true when it differs from the one before.
    ///
    /// A first good run is no change.
    func isChange(_ status: String, of collector: String) -> Bool {
        statuses.withLock { $0.updateValue(status, forKey: collector) ?? "ok" } != status
    }
}
