import Glibc
import Runtime
import TestSupport
import Testing

@testable import Exporter

@Suite struct PartsTests {
    // MARK: Text

    @Test func familiesAreWrittenInTheTextFormat() throws {
        let family = MetricFamily(
            "m_total", .counter, "Back\\slash and\nline.",
            [.init(1, labels: [.init("a", "x\"\\\n")]), .init(0.25), .init(1e300, labels: [.init("a", "b")])])
        let parsed = try #require(try ExpositionParser.parse(family.text()).first)
        #expect(parsed.help == "Back\\slash and\nline.")
        #expect(parsed.samples.map(\.value) == [1, 0.25, 1e300])
        #expect(parsed.samples.first?.labels == ["a": "x\"\\\n"])
        #expect(MetricFamily("none", .gauge, "Nothing.", []).text().isEmpty)
    }

    @Test(arguments: [
        (1.0, "1"), (-0.5, "-0.5"), (1_795_236_079.43, "1795236079.43"), (.infinity, "+Inf"), (-.infinity, "-Inf"),
        (.nan, "NaN"), (1e16, "1e+16"), (-3, "-3"),
    ])
    func numbersAreWrittenSoThatEveryoneReadsThem(value: Double, text: String) {
        #expect(MetricFamily.number(value) == text)
    }

    @Test func theFirstContributorOfAFamilyWins() {
        struct Source: MetricSource {
            let value: Double
            func metricFamilies() -> [MetricFamily] { [MetricFamily("m", .gauge, "M.", value)] }
        }
        let registry = MetricRegistry()
        registry.add(Source(value: 1))
        registry.add(Source(value: 2))
        #expect(registry.families().map(\.samples) == [[.init(1)]])
    }

    @Test func histogramsOfRequestsAreSoundAndPathsAreBounded() throws {
        let metrics = HTTPMetrics()
        for index in 0..<100 {
            metrics.observe(path: "/random\(index)", status: 404, seconds: 0.0004)
            metrics.observe(path: "/metrics", status: 200, seconds: Double(index) / 10)
        }
        let families = try ExpositionParser.parse(metrics.metricFamilies().map { $0.text() }.joined())
        let requests = try #require(families.first { $0.name == "pgvigil_http_requests_total" })
        #expect(
            requests.samples.map(\.labels) == [["path": "/metrics", "code": "200"], ["path": "other", "code": "404"]])
        #expect(requests.samples.map(\.value) == [100, 100])
    }

    @Test func processFiguresComeFromTheKernel() throws {
        let families = try ExpositionParser.parse(ProcessMetrics().metricFamilies().map { $0.text() }.joined())
        var values: [String: Double] = [:]
        for family in families { values[family.name] = family.samples.first?.value }
        #expect(try #require(values["process_resident_memory_bytes"]) > 1_000_000)
        #expect(try #require(values["process_threads"]) >= 1)
        #expect(try #require(values["process_open_fds"]) >= 3)
        #expect(try #require(values["process_max_fds"]) >= 64)
        let started = try #require(values["process_start_time_seconds"])
        #expect(abs(started - Double(time(nil))) < 86_400)
        #expect(values["process_cpu_seconds_total"] != nil)
        let none = ProcessMetrics(directory: "/nowhere").metricFamilies().map(\.name)
        #expect(none == ["process_max_fds"], "what cannot be read is left out, never zero")
    }

    @Test(arguments: [
        (nil, false), ("", false), ("gzip", true), ("GZIP, deflate", true), ("deflate, gzip;q=0.5", true),
        ("gzip;q=0", false), ("gzip; q=0.000", false), ("*", true), ("*;q=0", false), ("*, gzip;q=0", false),
        ("br", false),
    ])
    func acceptEncodingIsRead(header: String?, expected: Bool) {
        #expect(HTTPRequest.acceptsGzip(header: header) == expected)
    }

    // MARK: Pages

    @Test(arguments: [0, 1, 100, 65_536, 300_000])
    func packedAndPlainPagesAreTheSame(count: Int) throws {
        var generator = SystemRandomNumberGenerator()
        var text = ""
        let builder = MetricsPageBuilder()
        while text.utf8.count < count {
            let line = "m{a=\"\(generator.next())\"} \(generator.next())\n"
            text += line
            builder.add(line)
        }
        let page = builder.finished()
        #expect(page.plainCount == text.utf8.count)
        #expect(page.chunks.allSatisfy { $0.count <= 65_536 })
        let packed = try read(MetricsPageReader(page, packed: true))
        #expect(packed.count == page.packedCount)
        #expect(try read(MetricsPageReader(page, packed: false)) == Array(text.utf8))
        #expect(packed.prefix(2) == [0x1f, 0x8b])
    }

    private func read(_ reader: MetricsPageReader) throws -> [UInt8] {
        var all: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 1000)
        while true {
            let count = try #require(buffer.withUnsafeMutableBufferPointer { reader.read(into: $0) })
            if count == 0 { return all }
            all += buffer[..<count]
        }
    }

    @Test func aPlaceIsFreeAgainWhenItIsLetGoOf() {
        let slots = Slots(1)
        var place = slots.take()
        #expect(place != nil)
        #expect(slots.take() == nil)
        place = nil
        #expect(slots.take() != nil)
    }

    // MARK: Deadlines

    @Test func eachPhaseHasItsLimit() {
        let limits = ConnectionTable.Limits(
            firstRequest: .seconds(5), response: .seconds(30), nextRequest: .seconds(120))
        let table = ConnectionTable(limits: limits, crowd: 100)
        let start = Monotonic.now()
        let first = table.opened(socket: -1, at: start)
        #expect(table.sweep(at: start + .seconds(4)) == .seconds(1))
        table.enter(.response, first, at: start + .seconds(4))
        #expect(table.sweep(at: start + .seconds(33)) == .seconds(1))
        table.enter(.nextRequest, first, at: start + .seconds(33))
        #expect(table.sweep(at: start + .seconds(152)) == .seconds(1))
        #expect(table.sweep(at: start + .seconds(153)) == nil, "it was shut down")
        table.closed(first)
        #expect(table.count == 0)
    }

    @Test func inACrowdTheLongestIdleConnectionGoes() throws {
        var ends: [Int32] = [0, 0]
        try #require(socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0, &ends) == 0)
        defer { ends.forEach { close($0) } }
        let limits = ConnectionTable.Limits(
            firstRequest: .seconds(5), response: .seconds(30), nextRequest: .seconds(120))
        let table = ConnectionTable(limits: limits, crowd: 2)
        let start = Monotonic.now()
        let busy = table.opened(socket: -1, at: start)
        table.enter(.response, busy, at: start)
        _ = table.opened(socket: ends[0], at: start + .seconds(1))
        _ = table.opened(socket: -1, at: start + .seconds(2))
        var byte: UInt8 = 0
        #expect(recv(ends[1], &byte, 1, Int32(MSG_DONTWAIT)) == 0, "its other end reads the end")
    }

    @Test func whoKnowsOfAConnectionFindsItInTheTable() async throws {
        let limit = Duration.seconds(600)
        let table = ConnectionTable(
            limits: .init(firstRequest: limit, response: limit, nextRequest: limit), crowd: 1_000_000)
        async let opened: Void = onThread { for _ in 0..<1500 { _ = table.opened(socket: -1) } }
        let missing = try await onThread {
            var missing = 0
            while table.count < 1500 {
                let newest = table.newestID
                if table.count < newest { missing += 1 }
            }
            return missing
        }
        try await opened
        #expect(missing == 0)
    }
}
