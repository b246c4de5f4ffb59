/// What a migration tells its caller while it works.
package enum MigrationEvent: Sendable, Equatable {
    /// Another migration holds the lock.
    case waiting(holder: String)
    /// A file is being applied; `index` counts from 1.
    case applying(name: String, index: Int, count: Int)
    case applied(name: String, duration: Duration)
    /// A table was busy, or another database made the same roles at the same moment.
    case retrying(name: String, reason: String)
    /// An invalid index of an interrupted run was dropped and is being built again.
    case repairing(index: String)
    /// The reloadable files are being loaded.
    case reloading(count: Int)
    case reloaded(duration: Duration)
    /// Partitions are being made ahead of time.
    case preparingPartitions
}
