/// Reads the values of one mapping by key; what is wrong goes to the collector, and reading goes on.
struct MappingReader {
    let mark: SourceMark
    let path: String
    private let entries: [String: YAMLNode.Entry]
    private let faults: FaultCollector

    /// Takes a mapping and faults every key that is not known; nil when the node is no mapping.
    ///
    /// `synonyms` are words of other schedulers, each with ours.
    init?(
        _ node: YAMLNode, path: String, known: [String], synonyms: [String: String] = [:], faults: FaultCollector
    ) {
        guard case .mapping(let list) = node.kind else {
            faults.add(node.mark, path, "expected a mapping, found \(node.summary)")
            return nil
        }
        mark = node.mark
        self.path = path
        self.faults = faults
        entries = Dictionary(list.map { ($0.key, $0) }, uniquingKeysWith: { first, _ in first })
        for entry in list where !known.contains(entry.key) {
            let hint = synonyms[entry.key].map { ", did you mean \"\($0)\"?" }
            faults.add(
                entry.keyMark, path,
                "unknown key \(Quote.brief(entry.key))" + (hint ?? Spelling.hint(for: entry.key, among: known)))
        }
    }

    func node(_ key: String) -> YAMLNode? { entries[key]?.value }

    /// Faults the mapping when a key is not there.
    func require(_ keys: String...) {
        for key in keys where entries[key] == nil { faults.add(mark, path, "missing key \"\(key)\"") }
    }

    /// Text that says something, not quoted in faults since a command may hold a secret.
    func text(_ key: String) -> String? {
        guard let node = entries[key]?.value else { return nil }
        let problem: String
        switch node.kind {
        case .scalar(let text, _) where !node.isNull:
            if text.utf8.contains(0) {
                problem = "text with a NUL character"
            } else if text.allSatisfy(\.isWhitespace) {
                problem = "nothing"
            } else {
                return text
            }
        default: problem = node.summary
        }
        faults.add(node.mark, place(of: key), "expected text, found \(problem)")
        return nil
    }

    /// A list of texts.
    func texts(_ key: String) -> [String]? {
        guard let node = entries[key]?.value else { return nil }
        guard case .sequence(let items) = node.kind else {
            faults.add(node.mark, place(of: key), "expected a list, found \(node.summary)")
            return nil
        }
        return items.compactMap { item in
            if case .scalar(let text, _) = item.kind, !item.isNull, !text.isEmpty { return text }
            faults.add(item.mark, place(of: key), "expected text, found \(item.summary)")
            return nil
        }
    }

    /// `true` or `false`.
    func boolean(_ key: String) -> Bool? { scalar(key, "true or false") { Bool($0) } }

    /// A whole number inside bounds.
    func integer(_ key: String, in bounds: ClosedRange<Int64>) -> Int64? {
        scalar(key, "a whole number from \(bounds.lowerBound) to \(bounds.upperBound)") { text in
            Int64(text).flatMap { bounds.contains($0) ? $0 : nil }
        }
    }

    /// A length of time.
    func duration(_ key: String) -> Duration? { scalar(key, "a duration like 30s", DurationText.parse) }

    /// One of a few words.
    func choice<Choice: RawRepresentable & CaseIterable>(_ key: String, as: Choice.Type) -> Choice?
    where Choice.RawValue == String {
        let words = Choice.allCases.map(\.rawValue)
        return scalar(key, words.count == 1 ? words[0] : "one of " + words.joined(separator: ", ")) {
            Choice(rawValue: $0)
        }
    }

    private func scalar<Value>(_ key: String, _ expectation: String, _ parse: (String) -> Value?) -> Value? {
        guard let node = entries[key]?.value else { return nil }
        if case .scalar(let text, _) = node.kind, !node.isNull, let value = parse(text) { return value }
        faults.add(node.mark, place(of: key), "expected \(expectation), found \(node.summary)")
        return nil
    }

    /// The way to one of the values.
    func place(of key: String) -> String { path.isEmpty ? key : "\(path).\(key)" }
}
