import Glibc

/// Lines of JSON, or of text for people, on standard error, one write each, so that lines of many threads never mix.
///
/// Fields carry names, codes and numbers; never query texts, addresses with secrets or row values.
package struct Log: Sendable {
    /// How grave a line is.
    package enum Level: Int, Sendable, Comparable, CaseIterable {
        case debug
        case info
        case warning
        case error

        /// Whether the left level is less grave.
        package static func < (left: Level, right: Level) -> Bool { left.rawValue < right.rawValue }

        /// The number by which syslog and the journal know the level.
        var priority: Int {
            switch self {
            case .debug: 7
            case .info: 6
            case .warning: 4
            case .error: 3
            }
        }

        /// Reads `debug`, `info`, `warning` or `error`.
        package init?(name: String) {
            guard let level = Self.allCases.first(where: { "\($0)" == name }) else { return nil }
            self = level
        }
    }

    private let level: Level
    private let format: LogFormat
    private let hasPriorities: Bool
    private let sink: @Sendable ([UInt8]) -> Void

    /// Lines below `level` are dropped; `sink` takes each whole line with its newline.
    ///
    /// With priorities each line begins with a number in angle brackets, by which the journal knows its level.
    package init(
        level: Level = .info, format: LogFormat = .json, hasPriorities: Bool = false,
        sink: @escaping @Sendable ([UInt8]) -> Void = Log.writeToStandardError
    ) {
        self.level = level
        self.format = format
        self.hasPriorities = hasPriorities
        self.sink = sink
    }

    /// A line for the developer.
    package func debug(_ event: String, _ fields: KeyValuePairs<String, String> = [:]) { line(.debug, event, fields) }

    /// A line about normal work.
    package func info(_ event: String, _ fields: KeyValuePairs<String, String> = [:]) { line(.info, event, fields) }

    /// A line about something that heals by itself or is worth a look.
    package func warning(_ event: String, _ fields: KeyValuePairs<String, String> = [:]) {
        line(.warning, event, fields)
    }

    /// A line about something that failed.
    package func error(_ event: String, _ fields: KeyValuePairs<String, String> = [:]) { line(.error, event, fields) }

    /// Writes a line to file descriptor 2, or drops it while nobody reads there.
    package static let writeToStandardError: @Sendable ([UInt8]) -> Void = {
        let writer = LineWriter(descriptor: 2)
        return { writer.write($0) }
    }()

    /// Hands one line to the sink if it is grave enough.
    private func line(_ level: Level, _ event: String, _ fields: KeyValuePairs<String, String>) {
        guard level >= self.level else { return }
        let line = Self.formatted(level, event, fields, format)
        sink(hasPriorities ? Array("<\(level.priority)>".utf8) + line : line)
    }

    /// A line with its newline; long values are shortened until it has no more than `LineWriter.lineLimit` bytes.
    static func formatted(
        _ level: Level, _ event: String, _ fields: KeyValuePairs<String, String>, _ format: LogFormat = .json
    ) -> [UInt8] {
        let time = timestamp()
        // The priority before the line takes three bytes.
        let lineLimit = LineWriter.lineLimit - 3
        var valueLimit = lineLimit
        while true {
            let bytes: [UInt8]
            switch format {
            case .json:
                var line = JSONLine(valueLimit: valueLimit)
                for (key, value) in [("ts", time), ("level", "\(level)"), ("event", event)] { line.add(key, value) }
                for (key, value) in fields { line.add(key, value) }
                bytes = line.finished()
            case .text:
                var line = TextLine(time: time, level: "\(level)", event: event, valueLimit: valueLimit)
                for (key, value) in fields { line.add(key, value) }
                bytes = line.finished()
            }
            // Below the limit of 32 even the time would suffer; names and numbers of fields are those of our sources.
            if bytes.count <= lineLimit || valueLimit <= 32 { return bytes }
            valueLimit /= 2
        }
    }

    /// The present time in UTC with milliseconds, as RFC 3339 writes it.
    private static func timestamp() -> String {
        var now = timespec()
        clock_gettime(CLOCK_REALTIME, &now)
        var utc = tm()
        gmtime_r(&now.tv_sec, &utc)
        func padded(_ number: Int, _ width: Int) -> String {
            let digits = String(number)
            return String(repeating: "0", count: max(0, width - digits.count)) + digits
        }
        let date = [
            padded(Int(utc.tm_year) + 1900, 4), padded(Int(utc.tm_mon) + 1, 2), padded(Int(utc.tm_mday), 2),
        ].joined(separator: "-")
        let time = [Int(utc.tm_hour), Int(utc.tm_min), Int(utc.tm_sec)].map { padded($0, 2) }.joined(separator: ":")
        return "\(date)T\(time).\(padded(now.tv_nsec / 1_000_000, 3))Z"
    }
}
