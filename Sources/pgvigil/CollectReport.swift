import Collection

/// What `pgvigil collect` prints.
enum CollectReport {
    /// A table with a row a run, and below it the reason and remedy of each that was not ok.
    static func table(_ runs: [CollectionRun]) -> String {
        guard !runs.isEmpty else { return "no collector ran: all are disabled, or services are running them now" }
        let width = max(9, runs.map(\.name.count).max() ?? 0)
        var lines = [line("collector", "result", "rows", "samples", "ms", "", width)]
        for run in runs.sorted(by: { $0.name < $1.name }) {
            lines.append(
                line(
                    run.name, run.status, String(run.rows), String(run.samples), milliseconds(run.seconds),
                    reason(run), width))
            if let remedy = run.remedy { lines.append("  mend it with: \(remedy)") }
        }
        return lines.joined(separator: "\n")
    }

    /// One run as JSON.
    static func json(_ run: CollectionRun) -> JSONText {
        .object([
            "collector": .string(run.name), "status": .string(run.status), "rows": .integer(run.rows),
            "samples": .integer(run.samples), "folded": .integer(run.folded), "seconds": .number(run.seconds),
            "reason": .optional(run.reason), "remedy": .optional(run.remedy), "sqlstate": .optional(run.sqlState),
        ])
    }

    private static func reason(_ run: CollectionRun) -> String {
        if let reason = run.reason { return reason + (run.sqlState.map { " (SQLSTATE \($0))" } ?? "") }
        return run.folded > 0 ? "\(run.folded) folded" : ""
    }

    private static func milliseconds(_ seconds: Double) -> String {
        let tenths = Int((seconds * 10_000).rounded())
        return "\(tenths / 10).\(tenths % 10)"
    }

    private static func line(
        _ name: String, _ result: String, _ rows: String, _ samples: String, _ time: String, _ reason: String,
        _ width: Int
    ) -> String {
        let cells = [
            pad(name, width), pad(result, 11), pad(rows, 6, right: true), pad(samples, 8, right: true),
            pad(time, 9, right: true),
        ]
        let text = cells.joined(separator: "  ")
        return reason.isEmpty ? text : text + "  " + reason
    }

    private static func pad(_ text: String, _ width: Int, right: Bool = false) -> String {
        let blanks = String(repeating: " ", count: max(0, width - text.count))
        return right ? blanks + text : text + blanks
    }
}
