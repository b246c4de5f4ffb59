/// The limits that a process's control groups set, of version 1 or 2, and what the groups use.
struct ControlGroup: Sendable, Equatable {
    /// The least limit of memory on the way to the root, in bytes, and what that group uses and cannot give back.
    var memoryLimit: Double?
    var memoryUsed: Double?
    /// The least limit of processors, and the time that group has used, in seconds.
    var cores: Double?
    var cpuSeconds: Double?

    /// Reads the groups of a process; of none, those that a container shows as its root.
    init(process: String?, files: HostFiles) {
        let lines = process.flatMap { files.text("/proc/\($0)/cgroup") } ?? ""
        var paths: [String: String] = [:]
        for line in lines.split(separator: "\n") {
            let parts = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
            guard parts.count == 3 else { continue }
            for controller in parts[1].split(separator: ",", omittingEmptySubsequences: false) {
                paths[String(controller)] = String(parts[2])
            }
        }
        for folder in Self.folders("/sys/fs/cgroup", paths[""]) { readVersion2(folder, files) }
        for folder in Self.folders("/sys/fs/cgroup/memory", paths["memory"]) { readMemory1(folder, files) }
        for folder in Self.folders("/sys/fs/cgroup/cpu", paths["cpu"]) { readProcessor1(folder, files) }
    }

    /// The folder of a group and those above it.
    private static func folders(_ base: String, _ path: String?) -> [String] {
        var names = (path ?? "").split(separator: "/").filter { $0 != ".." }
        var folders = [base]
        while !names.isEmpty {
            folders.append(base + "/" + names.joined(separator: "/"))
            names.removeLast()
        }
        return folders
    }

    private mutating func readVersion2(_ folder: String, _ files: HostFiles) {
        take(
            memory: files.number("\(folder)/memory.max"), used: files.number("\(folder)/memory.current"),
            cache: files.number("inactive_file", in: "\(folder)/memory.stat"))
        let words = (files.text("\(folder)/cpu.max") ?? "").split(whereSeparator: \.isWhitespace)
        guard words.count == 2, let quota = Double(words[0]), let period = Double(words[1]) else { return }
        take(
            quota: quota, period: period,
            seconds: files.number("usage_usec", in: "\(folder)/cpu.stat").map { $0 / 1e6 })
    }

    private mutating func readMemory1(_ folder: String, _ files: HostFiles) {
        take(
            memory: files.number("\(folder)/memory.limit_in_bytes"),
            used: files.number("\(folder)/memory.usage_in_bytes"),
            cache: files.number("total_inactive_file", in: "\(folder)/memory.stat"))
    }

    private mutating func readProcessor1(_ folder: String, _ files: HostFiles) {
        guard let quota = files.number("\(folder)/cpu.cfs_quota_us"),
            let period = files.number("\(folder)/cpu.cfs_period_us")
        else { return }
        take(quota: quota, period: period, seconds: files.number("\(folder)/cpuacct.usage").map { $0 / 1e9 })
    }

    private mutating func take(memory limit: Double?, used: Double?, cache: Double?) {
        // Version 1 writes no limit as a number near 2^63.
        guard let limit, let used, limit < 1e18, limit < memoryLimit ?? .infinity else { return }
        memoryLimit = limit
        memoryUsed = max(0, used - (cache ?? 0))
    }

    private mutating func take(quota: Double, period: Double, seconds: Double?) {
        guard quota > 0, period > 0, let seconds, quota / period < cores ?? .infinity else { return }
        cores = quota / period
        cpuSeconds = seconds
    }
}
