extension JobsFile {
    /// The jobs as the JSON array that the database applies: the keys of jobs.yml, durations as text, and each job's line.
    ///
    /// A fault is an object of its line and text; of jobs with one name only the first is there, the others are faults.
    package var json: String {
        var names: Set<String> = []
        let unique = jobs.filter { names.insert($0.name).inserted }
        return "[" + (unique.map(\.json) + faults.map(\.json)).joined(separator: ",") + "]"
    }
}

extension ConfigurationFault {
    fileprivate var json: String {
        let text = path.isEmpty ? message : "\(path): \(message)"
        return "{\"line\":\(mark?.line ?? 1),\"fault\":\(JSONString.quoted(text))}"
    }
}

extension JobDefinition {
    fileprivate var json: String {
        let members: [(String, String?)] = [
            ("line", String(mark.line)),
            ("name", JSONString.quoted(name)),
            ("schedule", JSONString.quoted(schedule)),
            ("sql", JSONString.quoted(sql)),
            ("mode", mode.map { JSONString.quoted($0.rawValue) }),
            ("time_zone", timeZone.map(JSONString.quoted)),
            ("dst", daylightSaving.map { JSONString.quoted($0.rawValue) }),
            ("overlap", overlap.map { JSONString.quoted($0.rawValue) }),
            ("misfire", misfire.map { JSONString.quoted($0.rawValue) }),
            ("misfire_limit", misfireLimit.map { String($0) }),
            ("timeout", timeout.map { JSONString.quoted(DurationText.format($0)) }),
            ("lock_timeout", lockTimeout.map { JSONString.quoted(DurationText.format($0)) }),
            ("start_deadline", startDeadline.map { JSONString.quoted(DurationText.format($0)) }),
            ("spread", spread.map { JSONString.quoted(DurationText.format($0)) }),
            ("enabled", isEnabled.map { $0 ? "true" : "false" }),
            ("history", history.map { JSONString.quoted($0.rawValue) }),
            ("run_as", runAs.map(JSONString.quoted)),
            ("retries", retries.map(\.json)),
            ("needs", needs.map(list)),
            ("databases", databases.map(\.json)),
            ("targets", targets.map(list)),
            ("description", description.map(JSONString.quoted)),
        ]
        return object(members)
    }
}

extension JobDefinition.Retries {
    fileprivate var json: String {
        object([
            ("attempts", String(attempts)),
            ("base", base.map { JSONString.quoted(DurationText.format($0)) }),
            ("cap", cap.map { JSONString.quoted(DurationText.format($0)) }),
        ])
    }
}

extension JobDefinition.Databases {
    fileprivate var json: String {
        object([("match", match.map(JSONString.quoted)), ("except", except.map(JSONString.quoted))])
    }
}

/// A JSON object of the members that have a value.
private func object(_ members: [(String, String?)]) -> String {
    "{" + members.compactMap { key, value in value.map { "\"\(key)\":\($0)" } }.joined(separator: ",") + "}"
}

/// A JSON array of texts.
private func list(_ texts: [String]) -> String { "[" + texts.map(JSONString.quoted).joined(separator: ",") + "]" }

/// Text as a JSON string.
private enum JSONString {
    static func quoted(_ text: String) -> String {
        var bytes: [UInt8] = [UInt8(ascii: "\"")]
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "\""), UInt8(ascii: "\\"): bytes += [UInt8(ascii: "\\"), byte]
            case 0..<32: bytes += Array("\\u00".utf8) + [digits[Int(byte >> 4)], digits[Int(byte & 15)]]
            default: bytes.append(byte)
            }
        }
        return String(decoding: bytes + [UInt8(ascii: "\"")], as: UTF8.self)
    }

    private static let digits = Array("0123456789abcdef".utf8)
}
