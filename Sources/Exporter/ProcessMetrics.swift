import Glibc

/// What Linux knows about this process, under the names that all Prometheus clients give it.
package struct ProcessMetrics: MetricSource {
    private let directory: String
    private let ticksPerSecond: Double
    private let pageBytes: Double

    /// Reads below `directory`; a test gives one of its own.
    package init(directory: String = "/proc") {
        self.directory = directory
        ticksPerSecond = Double(max(1, sysconf(Int32(_SC_CLK_TCK))))
        pageBytes = Double(max(1, sysconf(Int32(_SC_PAGESIZE))))
    }

    /// The families whose source can be read; a missing one is left out, never zero.
    package func metricFamilies() -> [MetricFamily] {
        var families: [MetricFamily] = []
        func add(_ name: String, _ kind: MetricFamily.Kind, _ help: String, _ value: Double?) {
            if let value { families.append(MetricFamily(name, kind, help, value)) }
        }
        let fields = statFields()
        add(
            "process_cpu_seconds_total", .counter, "CPU time that the process has used, user and system.",
            sum(fields, 11, 12).map { $0 / ticksPerSecond })
        add("process_threads", .gauge, "Threads of the process.", number(fields, 17))
        add("process_virtual_memory_bytes", .gauge, "Address space of the process.", number(fields, 20))
        add(
            "process_resident_memory_bytes", .gauge, "Memory of the process that is resident.",
            number(fields, 21).map { $0 * pageBytes })
        add(
            "process_start_time_seconds", .gauge, "When the process was started, as seconds since 1970.",
            startTime(fields))
        add("process_open_fds", .gauge, "File descriptors that the process has open.", openDescriptors())
        add("process_max_fds", .gauge, "File descriptors that the process may have open.", descriptorLimit())
        return families
    }

    /// The fields of `stat` after the name, which may hold blanks and parentheses itself; the first is the state.
    private func statFields() -> [Substring] {
        guard let text = Self.read("\(directory)/self/stat"), let end = text.lastIndex(of: ")") else { return [] }
        return text[text.index(after: end)...].split(whereSeparator: \.isWhitespace)
    }

    private func number(_ fields: [Substring], _ index: Int) -> Double? {
        fields.indices.contains(index) ? Double(fields[index]) : nil
    }

    private func sum(_ fields: [Substring], _ first: Int, _ second: Int) -> Double? {
        guard let first = number(fields, first), let second = number(fields, second) else { return nil }
        return first + second
    }

    private func startTime(_ fields: [Substring]) -> Double? {
        guard let ticks = number(fields, 19), let text = Self.read("\(directory)/stat") else { return nil }
        let line = text.split(separator: "\n").first { $0.hasPrefix("btime ") }
        return line.flatMap { Double($0.dropFirst(6)) }.map { $0 + ticks / ticksPerSecond }
    }

    private func openDescriptors() -> Double? {
        guard let folder = opendir("\(directory)/self/fd") else { return nil }
        defer { closedir(folder) }
        var count = 0
        while let entry = readdir(folder) {
            if entry.pointee.d_name.0 != CChar(UInt8(ascii: ".")) { count += 1 }
        }
        // One of them is the folder being read.
        return Double(count - 1)
    }

    private func descriptorLimit() -> Double? {
        var limit = rlimit()
        guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return nil }
        return limit.rlim_cur == rlim_t.max ? Double.infinity : Double(limit.rlim_cur)
    }

    private static func read(_ path: String) -> String? {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 16 * 1024)
        while true {
            let count = Glibc.read(descriptor, &buffer, buffer.count)
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { break }
            bytes += buffer[..<count]
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
