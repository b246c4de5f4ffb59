import Testing

/// The judge of pgTAP's output itself: what it must not let pass.
@Suite struct TAPRunTests {
    @Test func aRunWithItsPlanKeptHasNoFault() {
        #expect(TAPRun(status: 0, output: "ok 1 - one\nok 2 - two\n1..2\n").faults.isEmpty)
    }

    @Test(
        arguments: [
            ("a failed assertion", 0, "ok 1 - one\nnot ok 2 - two\n1..2\n"),
            ("an error after the assertions", 3, "ok 1 - one\n1..1\npsql:x.sql:3: ERROR:  boom\n"),
            ("an exit status alone", 2, "ok 1 - one\n1..1\n"),
            ("no plan", 0, "ok 1 - one\n"),
            ("two plans", 0, "1..1\nok 1 - one\n1..1\n"),
            ("fewer tests than planned", 0, "1..2\nok 1 - one\n"),
            ("no test at all", 0, "1..0\n"),
            ("nothing", 0, ""),
            ("a skipped test", 0, "ok 1 - one # SKIP not today\n1..1\n"),
            ("an excused failure", 0, "not ok 1 - one # TODO some day\n1..1\n"),
        ] as [(String, Int32, String)])
    func isAFault(_ what: String, status: Int32, output: String) {
        #expect(!TAPRun(status: status, output: output).faults.isEmpty, "\(what)")
    }
}
