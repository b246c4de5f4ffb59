/// Whether the service can do its work.
enum Readiness: Sendable, Equatable {
    case ready
    case notReady(String)
}
