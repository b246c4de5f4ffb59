import Glibc

/// How full a filesystem is, in bytes.
package struct FilesystemUse: Sendable, Equatable {
    /// All of it.
    package let size: Double
    /// What is free, for the superuser too.
    package let free: Double
    /// What is free for others.
    package let available: Double

    /// A use of these figures.
    package init(size: Double, free: Double, available: Double) {
        self.size = size
        self.free = free
        self.available = available
    }

    /// Asks the kernel.
    @Sendable package static func of(_ path: String) -> FilesystemUse? {
        var answer = statvfs()
        guard statvfs(path, &answer) == 0 else { return nil }
        let block = Double(answer.f_frsize)
        return FilesystemUse(
            size: Double(answer.f_blocks) * block, free: Double(answer.f_bfree) * block,
            available: Double(answer.f_bavail) * block)
    }

    /// The share in use, as df shows it.
    var usedRatio: Double? {
        let used = size - free
        return used + available > 0 ? used / (used + available) : nil
    }
}
