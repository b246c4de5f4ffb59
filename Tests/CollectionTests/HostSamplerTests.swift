import Testing

@testable import Collection

/// What is read of a machine, and what it is taken for.
@Suite struct HostSamplerTests {
    private static let memory = "MemTotal:       1000 kB\nMemFree: 100 kB\nMemAvailable:    400 kB\n"

    private func value(_ readings: [HostReading], _ metric: String, _ device: String? = nil) -> Double? {
        readings.first { $0.metric == metric && $0.labels["device"] == device }?.value
    }

    @Test("the use of the processors is that between two looks")
    func processor() throws {
        let host = try HostFolder()
        try host.write("/proc/stat", "cpu  100 0 100 700 100 0 0 0 0 0\ncpu0 1 1 1 1\ncpu1 1 1 1 1\nbtime 1\n")
        try host.write("/proc/loadavg", "1.25 0.5 0.1 1/2 3\n")
        var sampler = HostSampler(files: host.files)
        let first = sampler.sample(moment: .seconds(0), process: nil, directory: nil)
        #expect(value(first, "host_cpu_usage_ratio") == nil)
        #expect(value(first, "host_cpu_limit_cores") == 2)
        #expect(value(first, "host_load1") == 1.25)
        try host.write("/proc/stat", "cpu  130 0 120 730 120 0 0 0 0 0\ncpu0 1 1 1 1\ncpu1 1 1 1 1\nbtime 1\n")
        let second = sampler.sample(moment: .seconds(15), process: nil, directory: nil)
        #expect(value(second, "host_cpu_usage_ratio") == 0.5)
        // Counters that fell, as in a restored machine, give nothing.
        try host.write("/proc/stat", "cpu  1 0 1 7 1 0 0 0 0 0\ncpu0 1 1 1 1\ncpu1 1 1 1 1\nbtime 1\n")
        #expect(
            value(sampler.sample(moment: .seconds(30), process: nil, directory: nil), "host_cpu_usage_ratio") == nil)
    }

    @Test("without files there are no figures, and no zeros")
    func nothing() throws {
        let host = try HostFolder()
        var sampler = HostSampler(files: host.files)
        #expect(sampler.sample(moment: .seconds(0), process: "7", directory: "/elsewhere") == [])
        try host.write("/proc/stat", "nonsense\n")
        try host.write("/proc/meminfo", "MemTotal: many kB\n")
        try host.write("/proc/diskstats", "8 0 sda\n")
        #expect(sampler.sample(moment: .seconds(1), process: "7", directory: "/elsewhere") == [])
    }

    @Test("memory in use is what cannot be given back")
    func memory() throws {
        let host = try HostFolder()
        try host.write("/proc/meminfo", Self.memory)
        var sampler = HostSampler(files: host.files)
        let readings = sampler.sample(moment: .seconds(0), process: nil, directory: nil)
        #expect(value(readings, "host_memory_total_bytes") == 1_024_000)
        #expect(value(readings, "host_memory_used_ratio") == 0.6)
    }

    @Test("the least limit of a control group of version 2 counts, that of a parent too")
    func version2() throws {
        let host = try HostFolder()
        try host.write("/proc/meminfo", Self.memory)
        try host.write("/proc/stat", "cpu  1 0 1 7 1 0 0 0 0 0\ncpu0 1 1 1 1\n")
        try host.write("/proc/7/cgroup", "0::/pods/db\n")
        try host.write("/sys/fs/cgroup/pods/db/memory.max", "max\n")
        try host.write("/sys/fs/cgroup/pods/db/memory.current", "5\n")
        try host.write("/sys/fs/cgroup/pods/memory.max", "512000\n")
        try host.write("/sys/fs/cgroup/pods/memory.current", "300000\n")
        try host.write("/sys/fs/cgroup/pods/memory.stat", "anon 1\ninactive_file 44000\n")
        try host.write("/sys/fs/cgroup/pods/db/cpu.max", "50000 100000\n")
        try host.write("/sys/fs/cgroup/pods/db/cpu.stat", "usage_usec 1000000\n")
        var sampler = HostSampler(files: host.files)
        let first = sampler.sample(moment: .seconds(0), process: "7", directory: nil)
        #expect(value(first, "host_memory_total_bytes") == 512_000)
        #expect(value(first, "host_memory_used_ratio") == 0.5)
        #expect(value(first, "host_cpu_limit_cores") == 0.5)
        // Two seconds of processor in ten, of five allowed.
        try host.write("/sys/fs/cgroup/pods/db/cpu.stat", "usage_usec 3000000\n")
        let second = sampler.sample(moment: .seconds(10), process: "7", directory: nil)
        #expect(value(second, "host_cpu_usage_ratio") == 0.4)
    }

    @Test("a control group of version 1 counts as well, and its word for no limit does not")
    func version1() throws {
        let host = try HostFolder()
        try host.write("/proc/meminfo", Self.memory)
        try host.write("/proc/7/cgroup", "4:memory:/db\n3:cpu,cpuacct:/db\n")
        try host.write("/sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n")
        try host.write("/sys/fs/cgroup/memory/memory.usage_in_bytes", "1\n")
        try host.write("/sys/fs/cgroup/memory/db/memory.limit_in_bytes", "256000\n")
        try host.write("/sys/fs/cgroup/memory/db/memory.usage_in_bytes", "192000\n")
        try host.write("/sys/fs/cgroup/memory/db/memory.stat", "total_inactive_file 64000\n")
        try host.write("/sys/fs/cgroup/cpu/db/cpu.cfs_quota_us", "-1\n")
        try host.write("/sys/fs/cgroup/cpu/db/cpu.cfs_period_us", "100000\n")
        try host.write("/sys/fs/cgroup/cpu/db/cpuacct.usage", "1000000000\n")
        let group = ControlGroup(process: "7", files: host.files)
        #expect(group.memoryLimit == 256_000)
        #expect(group.memoryUsed == 128_000)
        #expect(group.cores == nil)
    }

    @Test("disks count once, by their name; the filesystem of the data as df has it")
    func disks() throws {
        let host = try HostFolder()
        try host.write(
            "/proc/diskstats",
            """
               8       0 sda 10 0 2000 5 20 0 4000 9 0 1500 14
               8       1 sda1 10 0 2000 5 20 0 4000 9 0 1500 14
               7       0 loop0 10 0 2000 5 20 0 4000 9 0 1500 14
             253       0 dm-0 10 0 2000 5 20 0 4000 9 0 1500 14

            """)
        try host.write("/sys/block/sda/size", "1\n")
        try host.write("/sys/block/loop0/size", "1\n")
        try host.write("/sys/block/dm-0/size", "1\n")
        var sampler = HostSampler(files: host.files)
        let readings = sampler.sample(moment: .seconds(0), process: nil, directory: "/data")
        #expect(readings.filter { $0.metric == "host_disk_read_bytes_total" }.map(\.labels) == [["device": "sda"]])
        #expect(value(readings, "host_disk_written_bytes_total", "sda") == 2_048_000)
        #expect(value(readings, "host_disk_io_time_seconds_total", "sda") == 1.5)
        #expect(abs((value(readings, "host_filesystem_used_ratio") ?? 0) - 0.75) < 0.001)
        #expect(value(readings, "host_filesystem_available_bytes") == 233.33)
    }

    @Test("a server elsewhere is never taken for one of this machine")
    func placement() throws {
        let host = try HostFolder()
        try host.write("/proc/7/comm", "postgres\n")
        try host.write("/proc/8/comm", "ssh\n")
        func reason(_ isLocal: Bool, _ directory: String?, _ process: String) -> String? {
            HostPlacement(
                isLocalConnection: isLocal, dataDirectory: directory, backendProcess: process, files: host.files
            ).reason
        }
        #expect(reason(true, "/data", "7") == nil)
        #expect(reason(false, "/data", "7")?.contains("network") == true)
        // A tunnel ends at a loopback address too.
        #expect(reason(true, "/data", "8")?.contains("processes") == true)
        #expect(reason(true, "/data", "9")?.contains("processes") == true)
        #expect(reason(true, "/not/here", "7")?.contains("data directory") == true)
        #expect(reason(true, nil, "7")?.contains("grant pg_monitor") == true)
    }
}
