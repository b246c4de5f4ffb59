/// One metric family of the process, as it stands at one moment.
package struct MetricFamily: Sendable, Equatable {
    /// The types of the text format.
    package enum Kind: String, Sendable {
        case counter
        case gauge
        case histogram
    }

    /// One line: what follows the family's name, the labels, the value.
    package struct Sample: Sendable, Equatable {
        /// `_bucket`, `_sum` or `_count` for histograms, else empty.
        package let suffix: String
        /// Names and values in the order in which they are written.
        package let labels: [Label]
        /// The value in the family's unit.
        package let value: Double

        /// A line without suffix.
        package init(_ value: Double, labels: [Label] = []) { self.init(suffix: "", value, labels: labels) }

        init(suffix: String, _ value: Double, labels: [Label]) {
            self.suffix = suffix
            self.labels = labels
            self.value = value
        }
    }

    /// A name and a value.
    package struct Label: Sendable, Equatable {
        /// A valid label name.
        package let name: String
        /// Any text.
        package let value: String

        /// A label.
        package init(_ name: String, _ value: String) {
            self.name = name
            self.value = value
        }
    }

    /// A valid metric name.
    package let name: String
    /// The type.
    package let kind: Kind
    /// One line for people.
    package let help: String
    /// Its lines.
    package var samples: [Sample]

    /// A family with its lines.
    package init(_ name: String, _ kind: Kind, _ help: String, _ samples: [Sample]) {
        self.name = name
        self.kind = kind
        self.help = help
        self.samples = samples
    }

    /// A family of one line without labels.
    package init(_ name: String, _ kind: Kind, _ help: String, _ value: Double) {
        self.init(name, kind, help, [Sample(value)])
    }

    /// The family as the format writes it; nothing when it has no lines.
    func text(_ format: ExpositionFormat = .prometheus) -> String {
        guard !samples.isEmpty else { return "" }
        let isOpen = format == .openmetrics
        // The samples of a counter end in _total; in OpenMetrics its family's name does not.
        let title = isOpen && kind == .counter && name.hasSuffix("_total") ? String(name.dropLast(6)) : name
        var text = "# HELP \(title) \(Self.escaped(help, quotes: isOpen))\n# TYPE \(title) \(kind.rawValue)\n"
        for sample in samples {
            text += name + sample.suffix
            if !sample.labels.isEmpty {
                let list = sample.labels.map { label in
                    let value = isOpen && label.name == "le" ? Self.bound(label.value) : label.value
                    return "\(label.name)=\"\(Self.escaped(value, quotes: true))\""
                }
                text += "{" + list.joined(separator: ",") + "}"
            }
            text += " \(Self.number(sample.value))\n"
        }
        return text
    }

    /// A number as every reader of the format takes it.
    static func number(_ value: Double) -> String {
        if value.isNaN { return "NaN" }
        if value.isInfinite { return value < 0 ? "-Inf" : "+Inf" }
        if value == value.rounded(), abs(value) < 1e15 { return String(Int64(value)) }
        return "\(value)"
    }

    /// A bound as OpenMetrics writes it: 1.0 and not 1.
    private static func bound(_ text: String) -> String {
        text.utf8.allSatisfy { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) } ? text + ".0" : text
    }

    private static func escaped(_ text: String, quotes: Bool) -> String {
        var escaped = ""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\\": escaped += "\\\\"
            case "\n": escaped += "\\n"
            case "\"" where quotes: escaped += "\\\""
            default: escaped.unicodeScalars.append(scalar)
            }
        }
        return escaped
    }
}
