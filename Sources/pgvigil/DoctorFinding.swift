import Postgres

/// One thing that `pgvigil doctor` looked at: in order, or what is wrong and what mends it.
struct DoctorFinding: Sendable, Equatable {
    /// How bad it is.
    enum Severity: String, Sendable, CaseIterable {
        case error, warning, notice, ok
    }

    let check: String
    let severity: Severity
    var subject = ""
    let finding: String
    var evidence = ""
    /// The exact statement or shell command, one a line.
    var remedy = ""
    /// Where to run it, and as whom.
    var place = ""

    /// A check that found nothing.
    static func inOrder(_ check: String, _ promise: String) -> DoctorFinding {
        DoctorFinding(check: check, severity: .ok, finding: promise)
    }

    /// One line of JSON.
    var json: JSONText {
        .object([
            "check": .string(check), "severity": .string(severity.rawValue), "subject": .string(subject),
            "finding": .string(finding), "evidence": .string(evidence), "remedy": .string(remedy),
            "where": .string(place),
        ])
    }

    /// A few lines for people.
    var text: String {
        guard severity != .ok else { return "ok: \(check): \(finding)" }
        var lines = ["\(severity.rawValue): \(check): \(subject): \(finding)", "    seen   \(evidence)"]
        for (index, line) in remedy.split(separator: "\n").enumerated() {
            lines.append((index == 0 ? "    mend   " : "           ") + line)
        }
        if !place.isEmpty { lines.append("    where  \(place)") }
        return lines.joined(separator: "\n")
    }
}

extension DoctorFinding {
    /// A row of `monitoring.doctor()` or of the query for targets.
    init(_ row: PostgresRow) {
        self.init(
            check: row["check_name"] ?? "", severity: Severity(rawValue: row["severity"] ?? "") ?? .error,
            subject: row["subject"] ?? "", finding: row["finding"] ?? "", evidence: row["evidence"] ?? "",
            remedy: row["remedy"] ?? "", place: row["remedy_place"] ?? "")
    }
}

/// What was found, for people and for scripts.
struct DoctorReport: Sendable {
    private let findings: [DoctorFinding]

    /// The worst first.
    init(_ findings: [DoctorFinding]) {
        self.findings = DoctorFinding.Severity.allCases.flatMap { severity in
            findings.filter { $0.severity == severity }
        }
    }

    /// 0 when nothing needs to be done.
    var status: ExitStatus { count(.error) + count(.warning) == 0 ? .ok : .ailing }

    /// One JSON object a line, what is in order included.
    var json: String { findings.map(\.json.text).joined(separator: "\n") }

    /// Findings and a line that sums up; what is in order only when all is asked for.
    func text(all: Bool) -> String {
        let shown = findings.filter { all || $0.severity != .ok }.map(\.text)
        let summary =
            "\(count(.error)) errors, \(count(.warning)) warnings, \(count(.notice)) notices; "
            + "\(count(.ok)) checks found nothing"
        return (shown + [summary]).joined(separator: "\n")
    }

    private func count(_ severity: DoctorFinding.Severity) -> Int {
        findings.count { $0.severity == severity }
    }
}
