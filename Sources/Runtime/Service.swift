/// One long-running part of the process.
package protocol Service: Sendable {
    /// The name that log lines carry.
    var name: String { get }

    /// Works until graceful shutdown was asked for, then finishes what it holds and returns.
    func run() async throws
}
