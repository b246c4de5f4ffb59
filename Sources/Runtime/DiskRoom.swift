import Glibc

/// How much room the file system of a folder has.
package struct DiskRoom: Sendable, Equatable {
    /// Bytes of the file system.
    package let total: UInt64
    /// Bytes that an ordinary process may still fill.
    package let available: UInt64

    /// Room as measured elsewhere.
    package init(total: UInt64, available: UInt64) {
        self.total = total
        self.available = available
    }

    /// Asks the file system; nil when the folder is not there or not ours to look at.
    package init?(folder: String) {
        var facts = statvfs()
        guard statvfs(folder, &facts) == 0, facts.f_blocks > 0 else { return nil }
        total = UInt64(facts.f_blocks) * UInt64(facts.f_frsize)
        available = UInt64(facts.f_bavail) * UInt64(facts.f_frsize)
    }

    /// The share that is free, from 0 to 1.
    package var freeShare: Double { total == 0 ? 0 : Double(available) / Double(total) }
}
