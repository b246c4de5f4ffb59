import Runtime

/// Measures processor, memory and disks; what cannot be read is left out, never zero.
package struct HostSampler: Sendable {
    private let files: HostFiles
    private var before: Processor?

    private struct Processor: Sendable {
        var busy: Double
        var total: Double
        var group: Double?
        var moment: Duration
    }

    /// Measures by these files.
    package init(files: HostFiles = HostFiles()) { self.files = files }

    /// The figures at `moment` of any steady clock; the use of the processors is that since the call before.
    ///
    /// The limits of the groups of `process` count, and the filesystem of `directory` is looked at.
    package mutating func sample(moment: Duration, process: String?, directory: String?) -> [HostReading] {
        let group = ControlGroup(process: process, files: files)
        return processor(group, moment) + memory(group) + filesystem(directory) + disks()
    }

    private mutating func processor(_ group: ControlGroup, _ moment: Duration) -> [HostReading] {
        var readings: [HostReading] = []
        if let load = files.number("/proc/loadavg") { readings.append(HostReading("host_load1", load)) }
        let lines = (files.text("/proc/stat") ?? "").split(separator: "\n").filter { $0.hasPrefix("cpu") }
        let cores = group.cores ?? Double(lines.count - 1)
        if lines.count > 1 { readings.append(HostReading("host_cpu_limit_cores", cores)) }
        // user nice system idle iowait irq softirq steal; guests are part of user.
        let ticks = (lines.first ?? "").split(separator: " ").dropFirst().prefix(8).compactMap { Double($0) }
        guard ticks.count >= 5 else { return readings }
        let total = ticks.reduce(0, +)
        let now = Processor(
            busy: total - ticks[3] - ticks[4], total: total, group: group.cpuSeconds, moment: moment)
        defer { before = now }
        guard let before else { return readings }
        if let used = now.group, let earlier = before.group {
            let allowed = (now.moment - before.moment).inSeconds * cores
            guard used >= earlier, allowed > 0 else { return readings }
            readings.append(HostReading("host_cpu_usage_ratio", min(1, (used - earlier) / allowed)))
        } else if now.total > before.total, now.busy >= before.busy {
            readings.append(
                HostReading("host_cpu_usage_ratio", min(1, (now.busy - before.busy) / (now.total - before.total))))
        }
        return readings
    }

    private func memory(_ group: ControlGroup) -> [HostReading] {
        guard let kibibytes = files.number("MemTotal", in: "/proc/meminfo"),
            let free = files.number("MemAvailable", in: "/proc/meminfo")
        else { return [] }
        var total = kibibytes * 1024
        var used = (kibibytes - free) * 1024
        if let limit = group.memoryLimit, let inUse = group.memoryUsed, limit < total { (total, used) = (limit, inUse) }
        guard total > 0 else { return [] }
        return [
            HostReading("host_memory_total_bytes", total), HostReading("host_memory_used_bytes", used),
            HostReading("host_memory_used_ratio", min(1, used / total)),
        ]
    }

    private func filesystem(_ directory: String?) -> [HostReading] {
        guard let use = directory.flatMap({ files.use(ofFilesystem: $0) }), let ratio = use.usedRatio else { return [] }
        return [
            HostReading("host_filesystem_size_bytes", use.size),
            HostReading("host_filesystem_available_bytes", use.available),
            HostReading("host_filesystem_used_ratio", ratio),
        ]
    }

    /// Whole disks: partitions are in them, and what is made of them would count twice.
    private func disks() -> [HostReading] {
        (files.text("/proc/diskstats") ?? "").split(separator: "\n").flatMap { line -> [HostReading] in
            let words = line.split(separator: " ")
            guard words.count >= 13, let read = Double(words[5]), let written = Double(words[9]),
                let busy = Double(words[12])
            else { return [] }
            let name = String(words[2])
            let isDerived = ["loop", "ram", "zram", "dm-", "md", "sr", "fd"].contains { name.hasPrefix($0) }
            guard !isDerived, files.exists("/sys/block/\(name)"), read + written > 0 else { return [] }
            let labels = ["device": name]
            return [
                HostReading("host_disk_read_bytes_total", read * 512, labels),
                HostReading("host_disk_written_bytes_total", written * 512, labels),
                HostReading("host_disk_io_time_seconds_total", busy / 1000, labels),
            ]
        }
    }
}
