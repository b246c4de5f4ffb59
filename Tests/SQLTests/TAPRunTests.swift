import Testing

/// The judge of pgTAP's output itself: what it must not let pass.
@Suite struct TAPRunTests {
    @Test func aRunWithItsPlanKeptHasNoFault() {
        #expect(TAPRun(status: 0, output: "ok 1 - one\nok 2 - two\n1..2\n").faults.isEmpty)
    }

    /// An output with a fault, shown by its name alone: a failed line in it would look like one of this run's own.
    struct Faulty: Sendable, CustomTestStringConvertible {
        let what: String
        let status: Int32
        let output: String

        init(_ what: String, _ status: Int32, _ output: String) {
            self.what = what
            self.status = status
            self.output = output
        }

        var testDescription: String { what }
    }

    @Test(
        arguments: [
            Faulty("a failed assertion", 0, "ok 1 - one\nnot ok 2 - two\n1..2\n"),
            Faulty("an error after the assertions", 3, "ok 1 - one\n1..1\npsql:x.sql:3: ERROR:  boom\n"),
            Faulty("an exit status alone", 2, "ok 1 - one\n1..1\n"),
            Faulty("no plan", 0, "ok 1 - one\n"),
            Faulty("two plans", 0, "1..1\nok 1 - one\n1..1\n"),
            Faulty("fewer tests than planned", 0, "1..2\nok 1 - one\n"),
            Faulty("no test at all", 0, "1..0\n"),
            Faulty("nothing", 0, ""),
            Faulty("a skipped test", 0, "ok 1 - one # SKIP not today\n1..1\n"),
            Faulty("an excused failure", 0, "not ok 1 - one # TODO some day\n1..1\n"),
        ])
    func isAFault(_ run: Faulty) {
        #expect(!TAPRun(status: run.status, output: run.output).faults.isEmpty, "\(run.what)")
    }
}
