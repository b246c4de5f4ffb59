import Foundation
import Testing

@testable import Configuration

@Suite("jobs.yml")
struct JobsFileTests {
    @Test("a job takes its own values first, then the defaults, and leaves the rest to the database")
    func mergesDefaults() throws {
        let file = try decode(
            """
            version: 1
            defaults: { time_zone: Europe/Berlin, timeout: 30s, history: failures }
            jobs:
              - name: collect
                schedule: "@every 10s"
                sql: select monitoring.collect_database_metrics()
                timeout: 1m30s
                enabled: false
              - name: nightly
                schedule: "30 2 * * *"
                sql: |
                  call monitoring.maintain_partitions()
                mode: procedure
            """)
        let first = try #require(file.jobs.first)
        #expect(first.mark == SourceMark(line: 4, column: 5))
        #expect(first.timeZone == "Europe/Berlin")
        #expect(first.timeout == .seconds(90))
        #expect(first.history == .failures)
        #expect(first.isEnabled == false)
        #expect(first.mode == nil)
        let second = try #require(file.jobs.last)
        #expect(second.mode == .procedure)
        #expect(second.timeout == .seconds(30))
        #expect(second.sql == "call monitoring.maintain_partitions()\n")
    }

    @Test("jobs become a JSON array with the keys of the file and each job's line")
    func encodesJSON() throws {
        let file = try decode(
            """
            version: 1
            jobs:
              - { name: a, schedule: "0 0 * * *", sql: "select 'x\\ty\\\\' || \\"c\\"", timeout: 1500ms, dst: once,
                  overlap: skip, misfire: last, lock_timeout: 2s, start_deadline: 5m, spread: 1h, enabled: true,
                  history: all, description: "für alle", time_zone: UTC, mode: transaction }
              - name: b
                schedule: "@daily"
                sql: select 1
              - { name: c, schedule: "@daily", sql: vacuum, mode: maintenance, overlap: queue, misfire: all,
                  misfire_limit: 7, run_as: "team", retries: { attempts: 3, base: 10s, cap: 5m }, needs: [a, b],
                  databases: { match: "^app", except: "_old$" } }
              - { name: d, schedule: "@daily", sql: y, retries: { attempts: 1 }, needs: [], databases: {} }
              - { name: e, schedule: "@daily", sql: y, targets: all }
              - { name: f, schedule: "@daily", sql: y, targets: [north, "re:^app"] }
            """)
        #expect(
            file.json == """
                [{"line":3,"name":"a","schedule":"0 0 * * *","sql":"select 'x\\u0009y\\\\' || \\"c\\"",\
                "mode":"transaction","time_zone":"UTC","dst":"once","overlap":"skip","misfire":"last",\
                "timeout":"1s500ms","lock_timeout":"2s","start_deadline":"5m","spread":"1h","enabled":true,\
                "history":"all","description":"für alle"},\
                {"line":6,"name":"b","schedule":"@daily","sql":"select 1"},\
                {"line":9,"name":"c","schedule":"@daily","sql":"vacuum","mode":"maintenance","overlap":"queue",\
                "misfire":"all","misfire_limit":7,"run_as":"team",\
                "retries":{"attempts":3,"base":"10s","cap":"5m"},"needs":["a","b"],\
                "databases":{"match":"^app","except":"_old$"}},\
                {"line":12,"name":"d","schedule":"@daily","sql":"y","retries":{"attempts":1},"needs":[],\
                "databases":{}},\
                {"line":13,"name":"e","schedule":"@daily","sql":"y","targets":["all"]},\
                {"line":14,"name":"f","schedule":"@daily","sql":"y","targets":["north","re:^app"]}]
                """)
    }

    @Test("row 84: growth is noted monthly, parents are analysed weekly, what is past its time goes daily")
    func shipped() throws {
        let page = URL(fileURLWithPath: #filePath)
            .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
            .appending(path: "jobs.yml")
        let jobs = try decode(String(contentsOf: page, encoding: .utf8)).jobs
        for (name, schedule, call) in [
            ("measure-growth", "45 3 1 * *", "monitoring.measure_growth()"),
            ("analyze-parents", "15 3 * * sun", "monitoring.analyze_parents()"),
            ("cleanup-old-metrics", "40 2 * * *", "monitoring.cleanup_old_metrics()"),
        ] {
            let job = try #require(jobs.first { $0.name == name })
            #expect(job.schedule == schedule)
            #expect(job.sql.contains(call))
            #expect(job.isEnabled != false)
        }
        #expect(jobs.first { $0.name == "cleanup-old-metrics" }?.needs == ["archive-old-data"])
    }

    @Test("two files of one name are two sources when they say so")
    func tellsSource() throws {
        #expect(
            try JobsFile.decode(Array("version: 1\njobs: []".utf8), path: "a/b/jobs.yml", modifiedAt: 1).source
                == "jobs.yml")
        #expect(try decode("version: 1\nsource: team-a/jobs.yml\njobs: []").source == "team-a/jobs.yml")
        let error = #expect(throws: ConfigurationError.self) { try decode("version: 1\nsource: sql\njobs: []") }
        #expect(error?.faults.count == 1)
    }

    @Test("an empty list of jobs is a file without jobs")
    func takesNoJobs() throws {
        #expect(try decode("version: 1\njobs: []").json == "[]")
    }

    @Test("the generation is the time of modification, or a key that outranks every such time")
    func tellsGeneration() throws {
        let edited = try decode("version: 1\njobs: []", modifiedAt: 1_800_000_000_123_456_789)
        #expect(edited.generation == 1_800_000_000_123_456_789)
        let first = try decode("version: 1\ngeneration: 1\njobs: []", modifiedAt: 1_800_000_000_123_456_789)
        let second = try decode("version: 1\ngeneration: 2\njobs: []", modifiedAt: 0)
        #expect(edited.generation < first.generation)
        #expect(first.generation < second.generation)
    }

    @Test("what the database finds wrong is told with the file's line")
    func tellsFaultsOfTheDatabase() throws {
        let file = try decode("version: 1\njobs:\n  - name: a\n    schedule: x\n    sql: select 1")
        let fault = file.fault(line: 3, job: "a", message: "minute field \"x\": wrong")
        #expect(fault.description == "jobs.yml:3:5: job \"a\": minute field \"x\": wrong")
        #expect(file.fault(line: nil, job: nil, message: "no").description == "jobs.yml: no")
        #expect(file.fault(line: 9, job: nil, message: "no").description == "jobs.yml:9: no")
    }

    @Test("two thousand jobs are decoded, and how fast is printed")
    func decodesManyJobs() throws {
        let job = """
              - name: job-%
                schedule: "*/5 * * * *"
                sql: select monitoring.evaluate_something(%)
                timeout: 30s
                history: failures

            """
        let text = "version: 1\njobs:\n" + (0..<2_000).map { job.split(separator: "%").joined("\($0)") }.joined()
        let clock = ContinuousClock()
        var count = 0
        let elapsed = try clock.measure { count = try decode(text).jobs.count }
        print("jobs.yml: 2,000 jobs, \(text.utf8.count) bytes, decoded in \(elapsed)")
        #expect(count == 2_000)
    }
}

/// Decodes a text as `jobs.yml`.
func decode(_ text: String, modifiedAt: Int64 = 0) throws(ConfigurationError) -> JobsFile {
    try JobsFile.decode(Array(text.utf8), path: "jobs.yml", modifiedAt: modifiedAt)
}

extension Sequence where Element: StringProtocol {
    fileprivate func joined(_ separator: String) -> String { map { String($0) }.joined(separator: separator) }
}
