import Testing

@testable import Postgres

@Suite struct ConnectReportTests {
    @Test(arguments: [
        (
            "connection to server on socket \"/s/.s.PGSQL.5432\" failed: FATAL:  28P01: password authentication failed for user \"u\"\nLOCATION:  auth_failed, auth.c:338\n",
            "28P01",
            "connection to server on socket \"/s/.s.PGSQL.5432\" failed: FATAL: password authentication failed for user \"u\""
        ),
        (
            "connection to server at \"h\" (127.0.0.1), port 5432 failed: FATAL:  57P03: the database system is starting up\nLOCATION:  x, y.c:1",
            "57P03",
            "connection to server at \"h\" (127.0.0.1), port 5432 failed: FATAL: the database system is starting up"
        ),
    ])
    func `the server's code is found and taken out`(text: String, code: String, message: String) {
        let report = ConnectReport(text)
        #expect(report.sqlState == code)
        #expect(report.message == message)
    }

    @Test(arguments: [
        "connection to server on socket \"/nowhere/.s.PGSQL.5432\" failed: No such file or directory\n\tIs the server running locally?",
        "could not translate host name \"ABCDE\" to address: Name or service not known", "",
    ])
    func `a failure without a code stays without one`(text: String) {
        #expect(ConnectReport(text).sqlState == nil)
    }
}
