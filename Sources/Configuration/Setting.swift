/// One setting of the service: its name, how its text is read, and what holds when nothing is said.
package struct Setting<Value: Sendable>: Sendable {
    /// The option's name without dashes: `listen`.
    package let name: String
    /// What holds when neither option nor environment says anything.
    package let defaultValue: Value
    /// What the text should be, for the fault: `HOST:PORT like 127.0.0.1:9877`.
    package let expectation: String
    /// Whether faults must not quote the text.
    package let isSecret: Bool
    /// The value of a text, or nil.
    package let parse: @Sendable (String) -> Value?

    package init(
        _ name: String, default defaultValue: Value, expectation: String, isSecret: Bool = false,
        parse: @escaping @Sendable (String) -> Value?
    ) {
        self.name = name
        self.defaultValue = defaultValue
        self.expectation = expectation
        self.isSecret = isSecret
        self.parse = parse
    }

    /// The environment's name for it: `PGVIGIL_LISTEN`.
    package var variable: String {
        "PGVIGIL_" + String(name.uppercased().map { $0 == "-" ? "_" : $0 })
    }
}

extension Setting where Value == Duration {
    /// A length of time inside bounds.
    package static func duration(
        _ name: String, default defaultValue: Duration, in bounds: ClosedRange<Duration>
    ) -> Setting {
        let range = "\(DurationText.format(bounds.lowerBound)) to \(DurationText.format(bounds.upperBound))"
        return Setting(name, default: defaultValue, expectation: "a duration like 30s, from \(range)") { text in
            DurationText.parse(text).flatMap { bounds.contains($0) ? $0 : nil }
        }
    }
}

extension Setting where Value == ByteCount {
    /// A number of bytes.
    package static func byteCount(_ name: String, default defaultValue: ByteCount) -> Setting {
        Setting(name, default: defaultValue, expectation: "a size like 64kB, 16MB or 1GB") { ByteCount($0) }
    }
}

extension Setting where Value == Int {
    /// A whole number inside bounds.
    package static func integer(
        _ name: String, default defaultValue: Int, in bounds: ClosedRange<Int>
    ) -> Setting {
        Setting(
            name, default: defaultValue,
            expectation: "a whole number from \(bounds.lowerBound) to \(bounds.upperBound)"
        ) { text in Int(text).flatMap { bounds.contains($0) ? $0 : nil } }
    }
}

extension Setting where Value == Bool {
    /// Yes or no; a flag that is given without a value says yes.
    package static func flag(_ name: String) -> Setting {
        Setting(name, default: false, expectation: "true or false") { text in
            switch text.lowercased() {
            case "true", "yes", "on", "1": true
            case "false", "no", "off", "0": false
            default: nil
            }
        }
    }
}

extension Setting where Value == String? {
    /// A text such as a path; a secret one is not quoted in faults.
    package static func text(_ name: String, isSecret: Bool = false) -> Setting {
        Setting(name, default: nil, expectation: "text without control characters", isSecret: isSecret) { text in
            text.utf8.contains { $0 < 32 } ? .none : .some(text)
        }
    }
}

extension Setting where Value == ListenAddress {
    /// A host and a port to listen on.
    package static func listenAddress(_ name: String, default defaultValue: ListenAddress) -> Setting {
        Setting(name, default: defaultValue, expectation: "HOST:PORT like 127.0.0.1:9877 or [::1]:9877") {
            ListenAddress($0)
        }
    }
}
