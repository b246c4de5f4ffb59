import Exporter
import Scheduling

/// What the scheduler of this process did, as metrics.
struct SchedulerMetrics: MetricSource {
    let scheduler: Scheduler

    func metricFamilies() -> [MetricFamily] {
        let counts = scheduler.counts
        return [
            MetricFamily(
                "pgvigil_scheduler_connected", .gauge,
                "Whether the scheduler of this process is in touch with its database.",
                scheduler.isConnected ? 1 : 0),
            MetricFamily(
                "pgvigil_scheduler_runs_total", .counter, "Runs that this process executed, by how they ended.",
                counts.runs.sorted { $0.key < $1.key }.map { state, count in
                    MetricFamily.Sample(Double(count), labels: [.init("state", state)])
                }),
            MetricFamily(
                "pgvigil_scheduler_fence_rejections_total", .counter,
                "Ends of runs that the database refused because the run was no longer this process's.",
                Double(counts.fenceRejected)),
            MetricFamily(
                "pgvigil_scheduler_sessions_lost_total", .counter, "Sessions lost while they executed a run.",
                Double(counts.sessionsLost)),
        ]
    }
}
