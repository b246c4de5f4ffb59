/// A strict reader of the Prometheus text format 0.0.4: whatever any consumer could stumble over is an error.
package struct ExpositionParser {
    /// What is wrong, and where.
    package struct Fault: Error, CustomStringConvertible {
        /// The line, counted from 1.
        package let line: Int
        /// What is wrong with it.
        package let reason: String

        /// Line and reason.
        package var description: String { "line \(line): \(reason)" }
    }

    /// One sample line.
    package struct Sample: Sendable, Equatable {
        /// The name in the line.
        package let name: String
        /// Labels by name, unescaped.
        package let labels: [String: String]
        /// The value.
        package let value: Double
    }

    /// One family.
    package struct Family: Sendable {
        /// The name in HELP and TYPE.
        package let name: String
        /// The help text, unescaped.
        package var help = ""
        /// The type.
        package var type = ""
        /// Its lines in order.
        package var samples: [Sample] = []
    }

    private var families: [Family] = []
    private var names: Set<String> = []
    private var seen: Set<String> = []
    private var number = 0

    /// Reads a page.
    ///
    /// - Throws: `Fault` at the first thing that is wrong.
    package static func parse(_ text: String) throws -> [Family] {
        var parser = ExpositionParser()
        return try parser.run(text)
    }

    private mutating func run(_ text: String) throws -> [Family] {
        guard text.utf8.last == 10 else { throw Fault(line: 0, reason: "the page does not end with a line feed") }
        for line in text.utf8.dropLast().split(separator: 10, omittingEmptySubsequences: false) {
            number += 1
            let line = String(decoding: line, as: UTF8.self)
            guard !line.isEmpty else { throw fault("an empty line") }
            if line.hasPrefix("#") { try comment(line) } else { try sample(line) }
        }
        try endFamily()
        return families
    }

    private func fault(_ reason: String) -> Fault { Fault(line: number, reason: reason) }

    private mutating func comment(_ line: String) throws {
        let words = line.split(separator: " ", maxSplits: 3, omittingEmptySubsequences: false).map(String.init)
        guard words.count == 4, words[0] == "#" else { throw fault("a comment that is neither HELP nor TYPE") }
        switch words[1] {
        case "HELP":
            try endFamily()
            guard Self.isName(words[2]) else { throw fault("bad name \(words[2])") }
            guard names.insert(words[2]).inserted else { throw fault("family \(words[2]) comes twice") }
            families.append(Family(name: words[2], help: try unescape(words[3], quotes: false)))
        case "TYPE":
            guard let last = families.last, last.name == words[2], last.type.isEmpty, last.samples.isEmpty else {
                throw fault("TYPE is not right after its HELP")
            }
            guard ["counter", "gauge", "histogram", "summary", "untyped"].contains(words[3]) else {
                throw fault("unknown type \(words[3])")
            }
            families[families.count - 1].type = words[3]
        default:
            throw fault("a comment that is neither HELP nor TYPE")
        }
    }

    private mutating func sample(_ line: String) throws {
        let nameEnd = line.firstIndex { $0 == "{" || $0 == " " } ?? line.endIndex
        let name = String(line[..<nameEnd])
        guard Self.isName(name) else { throw fault("bad name \(name)") }
        var rest = line[nameEnd...]
        let labels = try rest.first == "{" ? labels(&rest) : [:]
        guard rest.first == " " else { throw fault("no blank before the value") }
        let value = try value(rest.dropFirst())
        guard let family = families.last, !family.type.isEmpty, family.admits(name) else {
            throw fault("\(name) is outside its family")
        }
        let key = name + labels.sorted { $0.key < $1.key }.map { "\u{1}\($0.key)\u{2}\($0.value)" }.joined()
        guard seen.insert(key).inserted else { throw fault("a second sample of one series") }
        families[families.count - 1].samples.append(Sample(name: name, labels: labels, value: value))
    }

    private func labels(_ rest: inout Substring) throws -> [String: String] {
        var labels: [String: String] = [:]
        repeat {
            rest.removeFirst()
            guard let equals = rest.firstIndex(of: "=") else { throw fault("a label without =") }
            let name = String(rest[..<equals])
            guard Self.isName(name), !name.contains(":"), !name.hasPrefix("__") else {
                throw fault("bad label \(name)")
            }
            rest = rest[rest.index(after: equals)...]
            guard rest.popFirst() == "\"" else { throw fault("a label value without quotes") }
            var value = ""
            while let character = rest.popFirst(), character != "\"" {
                value.append(character)
                if character == "\\", let next = rest.popFirst() { value.append(next) }
            }
            guard labels.updateValue(try unescape(value, quotes: true), forKey: name) == nil else {
                throw fault("label \(name) comes twice")
            }
        } while rest.first == ","
        guard rest.popFirst() == "}" else { throw fault("labels without an end") }
        return labels
    }

    private func value(_ text: Substring) throws -> Double {
        switch text {
        case "NaN": return .nan
        case "+Inf": return .infinity
        case "-Inf": return -.infinity
        default:
            let plain = text.allSatisfy { $0.isASCII && ($0.isNumber || "+-.eE".contains($0)) }
            guard plain, let value = Double(text) else { throw fault("bad value \(text)") }
            return value
        }
    }

    private func unescape(_ text: String, quotes: Bool) throws -> String {
        var plain = ""
        var rest = text[...]
        while let character = rest.popFirst() {
            guard character == "\\" else {
                plain.append(character)
                continue
            }
            switch rest.popFirst() {
            case "\\": plain.append("\\")
            case "n": plain.append("\n")
            case "\"" where quotes: plain.append("\"")
            default: throw fault("a bad escape")
            }
        }
        return plain
    }

    private func endFamily() throws {
        guard let family = families.last else { return }
        guard !family.type.isEmpty else { throw fault("\(family.name) has no TYPE") }
        guard !family.samples.isEmpty else { throw fault("\(family.name) has no samples") }
        if family.type == "histogram", let reason = family.histogramFault() { throw fault(reason) }
        if family.type == "counter", let bad = family.samples.first(where: { !($0.value >= 0) }) {
            throw fault("counter \(family.name) is \(bad.value)")
        }
    }

    private static func isName(_ text: String) -> Bool {
        guard let first = text.unicodeScalars.first, !("0"..."9").contains(first) else { return false }
        return text.unicodeScalars.allSatisfy {
            ("a"..."z").contains($0) || ("A"..."Z").contains($0) || ("0"..."9").contains($0) || $0 == "_" || $0 == ":"
        }
    }
}

extension ExpositionParser.Family {
    fileprivate func admits(_ sample: String) -> Bool {
        switch type {
        case "histogram": ["_bucket", "_sum", "_count"].contains { sample == name + $0 }
        case "summary": sample == name || ["_sum", "_count"].contains { sample == name + $0 }
        default: sample == name
        }
    }

    /// Why the buckets, sums and counts are no histogram.
    fileprivate func histogramFault() -> String? {
        var groups: [[String: String]: [ExpositionParser.Sample]] = [:]
        for sample in samples { groups[sample.labels.filter { $0.key != "le" }, default: []].append(sample) }
        for group in groups.values {
            let buckets = group.filter { $0.name == name + "_bucket" }
            let bounds = buckets.map { $0.labels["le"] == "+Inf" ? Double.infinity : Double($0.labels["le"] ?? "") }
            let sorted = bounds.compactMap(\.self).sorted()
            guard sorted.count == bounds.count, bounds.compactMap(\.self) == sorted, sorted.last == .infinity else {
                return "buckets of \(name) are not in order up to +Inf"
            }
            guard buckets.map(\.value) == buckets.map(\.value).sorted() else { return "buckets of \(name) fall" }
            guard group.filter({ $0.name == name + "_sum" }).count == 1 else { return "\(name) has no sum" }
            guard group.first(where: { $0.name == name + "_count" })?.value == buckets.last?.value else {
                return "the count of \(name) is not its last bucket"
            }
        }
        return nil
    }
}
