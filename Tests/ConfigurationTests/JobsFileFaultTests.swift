import Testing

@testable import Configuration

@Suite("faults of jobs.yml")
struct JobsFileFaultTests {
    /// A text and the lines that it is refused with.
    struct Refusal: Sendable, CustomTestStringConvertible {
        let text: String
        let faults: [String]
        var testDescription: String { faults.first ?? text }

        init(_ text: String, _ faults: String...) {
            self.text = text
            self.faults = faults
        }
    }

    /// Of the document as a whole.
    static let document = [
        Refusal("", "jobs.yml:1:1: the file is empty"),
        Refusal("# nothing\n", "jobs.yml:1:1: the file is empty"),
        Refusal("~", "jobs.yml:1:1: the file is empty"),
        Refusal("- 1", "jobs.yml:1:1: expected a mapping, found a list"),
        Refusal("version: 1", "jobs.yml:1:1: missing key \"jobs\""),
        Refusal("jobs: []", "jobs.yml:1:1: missing key \"version\""),
        Refusal("version: 2\njobs: []", "jobs.yml:1:10: version: expected a whole number from 1 to 1, found \"2\""),
        Refusal("version: 1\njobs:", "jobs.yml:2:6: jobs: expected a list, found nothing"),
        Refusal("version: 1\njobs: {}", "jobs.yml:2:7: jobs: expected a list, found a mapping"),
        Refusal("version: 1\njobs: [x]", "jobs.yml:2:8: jobs[0]: expected a mapping, found \"x\""),
        Refusal(
            "version: 1\njob: []\njobs: []", "jobs.yml:2:1: unknown key \"job\", did you mean \"jobs\"?"),
        Refusal(
            "version: 1\nversion: 1\njobs: []",
            "jobs.yml:2:1: duplicate key \"version\", it was given in line 1 before"),
        Refusal(
            "version: 1\njobs: []\n---\nversion: 1",
            "jobs.yml:3:1: a second document begins here, only one is allowed"),
        Refusal("version: 1\njobs: [", "jobs.yml:3:1: while parsing a flow node: did not find expected node content"),
        Refusal("version: 1\n? [a]\n: 1", "jobs.yml:2:3: a key must be text, found a list"),
        Refusal("version: 1\njobs: &a []", "jobs.yml:2:7: anchors are not supported"),
        Refusal("version: &v 1\njobs: []", "jobs.yml:1:10: anchors are not supported"),
        Refusal("version: !!int 1\njobs: []", "jobs.yml:1:10: tags are not supported"),
        Refusal(
            "version: 1\njobs: *a",
            "jobs.yml:2:7: aliases are not supported; put quotes around a value that begins with * or @"),
        Refusal(
            "version: 1\ngeneration: 0\njobs: []",
            "jobs.yml:2:13: generation: expected a whole number from 1 to 1000000000000000, found \"0\""),
        Refusal(
            "version: 1\ndefaults: { name: x, timout: 5s }\njobs: []",
            "jobs.yml:2:13: defaults: unknown key \"name\", expected one of mode, time_zone, dst, overlap, misfire, "
                + "misfire_limit, timeout, lock_timeout, start_deadline, spread, enabled, history, run_as, retries",
            "jobs.yml:2:22: defaults: unknown key \"timout\", did you mean \"timeout\"?"),
    ]

    /// Of one job, whose keys begin in line 4.
    static let job = [
        Refusal("schedule: x\nsql: y", "jobs.yml:4:5: jobs[0]: missing key \"name\""),
        Refusal(
            "name: a", "jobs.yml:4:5: jobs[0]: missing key \"schedule\"", "jobs.yml:4:5: jobs[0]: missing key \"sql\""),
        Refusal(
            "name: a\ncron: x\nsql: y", "jobs.yml:4:5: jobs[0]: missing key \"schedule\"",
            "jobs.yml:5:5: jobs[0]: unknown key \"cron\", did you mean \"schedule\"?"),
        Refusal(
            "name: a\nschedule: x\nsql: y\ntimeuot: 5s",
            "jobs.yml:7:5: jobs[0]: unknown key \"timeuot\", did you mean \"timeout\"?"),
        Refusal(
            "name: a\nschedule: x\nsql: y\ntimeout: many",
            "jobs.yml:7:14: jobs[0].timeout: expected a duration like 30s, found \"many\""),
        Refusal(
            "name: a\nschedule: x\nsql: y\ntimeout: 30\nlock_timeout: -1s\nspread: [1s]",
            "jobs.yml:7:14: jobs[0].timeout: expected a duration like 30s, found \"30\"",
            "jobs.yml:8:19: jobs[0].lock_timeout: expected a duration like 30s, found \"-1s\"",
            "jobs.yml:9:13: jobs[0].spread: expected a duration like 30s, found a list"),
        Refusal(
            "name: a\nschedule: x\nsql: y\ntimeout:",
            "jobs.yml:7:13: jobs[0].timeout: expected a duration like 30s, found nothing"),
        Refusal(
            "name: a\nschedule: x\nsql: y\nmode: magic",
            "jobs.yml:7:11: jobs[0].mode: expected one of transaction, procedure, maintenance, found \"magic\""),
        Refusal(
            "name: a\nschedule: x\nsql: y\nretries: { attempts: 21, base: soon, max: 1 }",
            "jobs.yml:7:26: jobs[0].retries.attempts: expected a whole number from 0 to 20, found \"21\"",
            "jobs.yml:7:36: jobs[0].retries.base: expected a duration like 30s, found \"soon\"",
            "jobs.yml:7:42: jobs[0].retries: unknown key \"max\", expected one of attempts, base, cap"),
        Refusal(
            "name: a\nschedule: x\nsql: y\nretries: 3",
            "jobs.yml:7:14: jobs[0].retries: expected a mapping, found \"3\""),
        Refusal(
            "name: a\nschedule: x\nsql: y\nneeds: [b, ~, [c]]",
            "jobs.yml:7:16: jobs[0].needs: expected text, found nothing",
            "jobs.yml:7:19: jobs[0].needs: expected text, found a list"),
        Refusal(
            "name: a\nschedule: x\nsql: y\nservers: all\ndatabases: { like: x }",
            "jobs.yml:7:5: jobs[0]: unknown key \"servers\", did you mean \"targets\"?",
            "jobs.yml:8:18: jobs[0].databases: unknown key \"like\", expected one of match, except"),
        Refusal(
            "name: a\nschedule: x\nsql: y\ntargets: north",
            "jobs.yml:7:14: jobs[0].targets: expected all or a list of targets, found \"north\""),
        Refusal(
            "name: a\nschedule: x\nsql: y\ntargets: []",
            "jobs.yml:7:14: jobs[0].targets: expected all or a list of targets, found none"),
        Refusal(
            "name: a\nschedule: x\nsql: y\ndst: never",
            "jobs.yml:7:10: jobs[0].dst: expected one of once, skip, twice, found \"never\""),
        Refusal(
            "name: a\nschedule: x\nsql: y\noverlap: heap\nmisfire: none\nhistory: none",
            "jobs.yml:7:14: jobs[0].overlap: expected one of skip, queue, cancel, allow, found \"heap\"",
            "jobs.yml:8:14: jobs[0].misfire: expected one of last, skip, all, found \"none\"",
            "jobs.yml:9:14: jobs[0].history: expected one of all, failures, found \"none\""),
        Refusal(
            "name: a\nschedule: x\nsql: y\nenabled: yes",
            "jobs.yml:7:14: jobs[0].enabled: expected true or false, found \"yes\""),
        Refusal("name: a\nschedule: x\nsql: \"  \"", "jobs.yml:6:10: jobs[0].sql: expected text, found nothing"),
        Refusal(
            "name: a\nschedule: x\nsql: \"select 'secret\\0'\"",
            "jobs.yml:6:10: jobs[0].sql: expected text, found text with a NUL character"),
        Refusal(
            "name: a\nschedule: x\nsql: { a: secret }", "jobs.yml:6:10: jobs[0].sql: expected text, found a mapping"),
        Refusal(
            "name: Two Words\nschedule: x\nsql: y",
            "jobs.yml:4:11: jobs[0].name: expected 1 to 63 of a-z, 0-9, dot, dash and underscore, "
                + "the first a letter or digit, found \"Two Words\""),
        Refusal(
            "name: a\nschedule: x\nsql: y\n\"\\e[31m\\n\": 1",
            "jobs.yml:7:5: jobs[0]: unknown key \"\\u{1b}[31m\\u{a}\", expected one of name, schedule, sql, description, "
                + "needs, databases, targets, mode, time_zone, dst, overlap, misfire, misfire_limit, timeout, "
                + "lock_timeout, start_deadline, spread, enabled, history, run_as, retries"
        ),
        Refusal(
            "name: a\nschedule: */5 * * * *\nsql: y",
            "jobs.yml:5:16: while scanning an alias: did not find expected alphabetic or numeric character; "
                + "put quotes around a value that begins with * or @"),
        Refusal(
            "name: a\nschedule: @daily\nsql: y",
            "jobs.yml:5:15: while scanning for the next token: found character that cannot start any token; "
                + "put quotes around a value that begins with * or @"),
    ]

    @Test("a wrong document is refused with its place", arguments: document)
    func refusesDocument(_ refusal: Refusal) {
        #expect(throws: ConfigurationError.self) { try decode(refusal.text) }
        #expect(faults(of: refusal.text) == refusal.faults)
    }

    @Test("a wrong job is refused with its place", arguments: job)
    func refusesJob(_ refusal: Refusal) {
        let lines = refusal.text.split(separator: "\n").joined(separator: "\n    ")
        #expect(faults(of: "version: 1\n# a remark\njobs:\n  - \(lines)") == refusal.faults)
    }

    @Test("the faults of every job are told at once, in the order of the file")
    func tellsAllFaults() {
        let text = """
            version: 1
            defaults:
              timeout: soon
            jobs:
              - name: a
                schedule: x
                sql: y
                timeout: late
              - name: b
                schedule: x
              - schedule: x
                sql: y
                repetitions: 3
              - name: a
                schedule: x
                sql: y
            """
        #expect(
            faults(of: text) == [
                "jobs.yml:3:12: defaults.timeout: expected a duration like 30s, found \"soon\"",
                "jobs.yml:8:14: jobs[0].timeout: expected a duration like 30s, found \"late\"",
                "jobs.yml:9:5: jobs[1]: missing key \"sql\"",
                "jobs.yml:11:5: jobs[2]: missing key \"name\"",
                "jobs.yml:13:5: jobs[2]: unknown key \"repetitions\", expected one of name, schedule, sql, description, "
                    + "needs, databases, targets, mode, time_zone, dst, overlap, misfire, misfire_limit, timeout, "
                    + "lock_timeout, start_deadline, spread, enabled, history, run_as, retries",
                "jobs.yml:14:11: jobs[3].name: \"a\" in line 14 is already the name of a job in line 5",
            ])
    }

    @Test("of very many faults a hundred are told and the rest counted")
    func countsTheRest() {
        let keys = (0..<250).map { "x\($0): 1" }.joined(separator: "\n")
        let error = #expect(throws: ConfigurationError.self) { try decode("version: 1\njobs: []\n" + keys) }
        #expect(error?.faults.count == 250)
        let lines = error?.description.split(separator: "\n")
        #expect(lines?.count == 101)
        #expect(lines?.last == "and 150 more")
    }

    @Test("bytes that are not UTF-8 are refused with their place")
    func refusesOtherEncodings() {
        let bytes = Array("version: 1\nname: äö".utf8) + [0xE4, 0x0A]
        let error = #expect(throws: ConfigurationError.self) {
            try JobsFile.decode(bytes, path: "jobs.yml", modifiedAt: 0)
        }
        #expect(error?.description == "jobs.yml:2:9: not UTF-8 text")
        let wide = "version: 1".utf8.flatMap { [$0, UInt8(0)] }
        let wideError = #expect(throws: ConfigurationError.self) {
            try JobsFile.decode([0xFF, 0xFE] + wide, path: "jobs.yml", modifiedAt: 0)
        }
        #expect(wideError?.description == "jobs.yml:1:1: not UTF-8 text")
        #expect(faults(of: "version: 1\nä: \u{7}") == ["jobs.yml:2:4: control characters are not allowed"])
    }

    @Test("a billion laughs are refused at the first anchor, at once")
    func refusesBillionLaughs() {
        var text = "version: 1\na0: &a0 [ha, ha]\n"
        for level in 1...30 {
            text += "a\(level): &a\(level) [*a\(level - 1), *a\(level - 1), *a\(level - 1), *a\(level - 1)]\n"
        }
        let clock = ContinuousClock()
        let elapsed = clock.measure {
            #expect(faults(of: text + "jobs: *a30") == ["jobs.yml:2:5: anchors are not supported"])
        }
        #expect(elapsed < .seconds(10))
    }

    @Test("depth and number have bounds")
    func refusesExcess() {
        let deep = String(repeating: "[", count: 100_000)
        #expect(faults(of: "jobs: " + deep) == ["jobs.yml:1:39: nested deeper than 32 levels"])
        let many = "jobs: [" + String(repeating: "1,", count: 200_001) + "]"
        #expect(faults(of: many) == ["jobs.yml:1:400002: more than 200000 values"])
    }
}

/// The lines that a text is refused with; empty when it is not.
func faults(of text: String) -> [String] {
    do throws(ConfigurationError) {
        _ = try decode(text)
        return []
    } catch {
        return error.faults.map(\.description)
    }
}
