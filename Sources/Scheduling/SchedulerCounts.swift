/// What one scheduler did since its start, for its own metrics.
package struct SchedulerCounts: Sendable, Equatable {
    /// Runs by how they ended, as far as this service knows.
    package var runs: [String: Int] = [:]
    /// Ends that the database refused because the run was no longer ours.
    package var fenceRejected = 0
    /// Sessions lost while they executed a run.
    package var sessionsLost = 0
}
