import Glibc

/// How a line of the log is written.
package enum LogFormat: String, Sendable, CaseIterable {
    /// One JSON object a line, all values texts.
    case json
    /// `time level event key=value …`, for people.
    case text
}

/// Where standard error goes.
package enum Journal {
    /// Whether standard error is the journal's stream that JOURNAL_STREAM names.
    package static func isStandardError(environment: [String: String]) -> Bool {
        guard let stream = environment["JOURNAL_STREAM"] else { return false }
        var status = stat()
        return fstat(2, &status) == 0 && stream == "\(status.st_dev):\(status.st_ino)"
    }
}
