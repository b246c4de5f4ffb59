import Foundation

/// What psql made of one file of pgTAP.
struct TAPRun {
    /// The exit status of psql: 0, or 3 after an error of the script.
    let status: Int32
    /// Standard output and standard error, in the order written.
    let output: String

    /// Sends the file to the database by psql, whose errors name file and line.
    static func of(_ file: URL, conninfo: String) async throws -> TAPRun {
        let log = FileManager.default.temporaryDirectory.appending(path: "pgvigil-tap-\(UUID().uuidString)")
        try Data().write(to: log)
        defer { try? FileManager.default.removeItem(at: log) }
        let handle = try FileHandle(forWritingTo: log)
        let psql = Process()
        psql.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        psql.arguments = [
            "psql", "--no-psqlrc", "--quiet", "--no-align", "--tuples-only", "--set=ON_ERROR_STOP=1",
            "--dbname=\(conninfo)", "--file=\(file.path)",
        ]
        // pgTAP lies in a schema of its own; a body that shadows a name or takes one row of many is an error here.
        psql.environment = ProcessInfo.processInfo.environment.merging(
            ["PGOPTIONS": "-c search_path=tap,public -c plpgsql.extra_errors=all"], uniquingKeysWith: { $1 })
        psql.standardInput = FileHandle.nullDevice
        psql.standardOutput = handle
        psql.standardError = handle
        let status = try await withCheckedThrowingContinuation { (ended: CheckedContinuation<Int32, any Error>) in
            psql.terminationHandler = { ended.resume(returning: $0.terminationStatus) }
            do { try psql.run() } catch { ended.resume(throwing: error) }
        }
        return TAPRun(status: status, output: try String(contentsOf: log, encoding: .utf8))
    }

    /// Why the run is no success: assertions that failed, an error, a missing plan, a wrong or no number of tests.
    var faults: [String] {
        var faults: [String] = []
        let lines = output.split(separator: "\n", omittingEmptySubsequences: true).map(String.init)
        if status != 0 { faults.append("psql ended with status \(status)") }
        let results = lines.filter { $0.hasPrefix("ok ") || $0.hasPrefix("not ok ") }
        for line in results where line.hasPrefix("not ok ") { faults.append(line) }
        for line in results where Self.isExcused(line) { faults.append("skipped or excused: \(line)") }
        let plans = lines.compactMap(Self.plannedTests)
        if plans.count != 1 {
            faults.append("\(plans.count) plans instead of one: does the file end with finish()?")
        } else if plans[0] != results.count {
            faults.append("planned \(plans[0]) tests and ran \(results.count)")
        }
        if results.isEmpty { faults.append("no test ran") }
        for line in lines where line.contains("ERROR:") { faults.append(line) }
        return faults
    }

    /// The number of tests of a plan line "1..N".
    private static func plannedTests(_ line: String) -> Int? {
        line.hasPrefix("1..") ? Int(line.dropFirst(3)) : nil
    }

    /// True for a result that TAP does not count because it is skipped or expected to fail.
    private static func isExcused(_ line: String) -> Bool {
        line.contains("# SKIP") || line.contains("# TODO")
    }
}
