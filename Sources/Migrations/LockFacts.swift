/// What a statement locks, as far as its words tell, for the reader of a plan.
package struct LockFact: Sendable, Hashable {
    /// The lock's name in PostgreSQL, such as `ACCESS EXCLUSIVE`.
    package let lock: String
    /// The table or other object as written in the file.
    package let object: String
    /// What waits meanwhile.
    package let effect: String
}

/// Derives lock facts from the words of statements; objects that the same files create are nobody's concern.
struct LockFacts {
    private var created: Set<String> = []

    /// The facts of one file's statements, each once, in order.
    mutating func facts(of statements: [SQLStatement]) -> [LockFact] {
        var facts: [LockFact] = []
        for statement in statements {
            let words = statement.leadingWords(40)
            if let name = Self.createdTable(words) { created.insert(name) }
            for fact in Self.facts(words) where !created.contains(fact.object) && !facts.contains(fact) {
                facts.append(fact)
            }
        }
        return facts
    }

    private static func createdTable(_ words: [String]) -> String? {
        guard words.first == "create", let index = words.firstIndex(of: "table"), index <= 2 else { return nil }
        return name(in: words, after: index)
    }

    private static func facts(_ words: [String]) -> [LockFact] {
        switch words.first {
        case "alter" where words.dropFirst().first == "table": return [alterTable(words)]
        case "create": return create(words)
        case "drop", "truncate": return [drop(words)]
        case "insert", "update", "delete": return change(words)
        case "lock": return [LockFact(lock: "as written", object: last(words), effect: "see the statement")]
        case "do":
            return [LockFact(lock: "unknown", object: "do block", effect: "read the block")]
        default: return []
        }
    }

    private static func alterTable(_ words: [String]) -> LockFact {
        let object = name(in: words, after: 1) ?? "?"
        let text = words.joined(separator: " ")
        if text.contains("validate constraint") || text.contains("set statistics") || text.contains("attach partition")
            || text.contains("set (")
        {
            return LockFact(lock: "SHARE UPDATE EXCLUSIVE", object: object, effect: "reads and writes go on")
        }
        if text.contains("foreign key") || text.contains("trigger") {
            return LockFact(lock: "SHARE ROW EXCLUSIVE", object: object, effect: "writes wait")
        }
        return LockFact(lock: "ACCESS EXCLUSIVE", object: object, effect: "reads and writes wait")
    }

    private static func create(_ words: [String]) -> [LockFact] {
        if words.prefix(4).contains("index") {
            guard let index = words.firstIndex(of: "on"), let table = name(in: words, after: index) else { return [] }
            return words.prefix(5).contains("concurrently")
                ? [LockFact(lock: "SHARE UPDATE EXCLUSIVE", object: table, effect: "reads and writes go on")]
                : [LockFact(lock: "SHARE", object: table, effect: "writes wait")]
        }
        if words.prefix(4).contains("trigger") || words.prefix(2).contains("policy") {
            guard let index = words.firstIndex(of: "on"), let table = name(in: words, after: index) else { return [] }
            return words[1] == "policy"
                ? [LockFact(lock: "ACCESS EXCLUSIVE", object: table, effect: "reads and writes wait")]
                : [LockFact(lock: "SHARE ROW EXCLUSIVE", object: table, effect: "writes wait")]
        }
        let partitioned = words.firstIndex(of: "of").flatMap { name(in: words, after: $0) }
        guard words.contains("partition"), let parent = partitioned else { return [] }
        return [LockFact(lock: "ACCESS EXCLUSIVE", object: parent, effect: "reads and writes wait")]
    }

    private static func drop(_ words: [String]) -> LockFact {
        let index = words.firstIndex(of: "exists") ?? (words.dropFirst().first == "table" || words[0] == "drop" ? 1 : 0)
        let object = name(in: words, after: index) ?? "?"
        return LockFact(lock: "ACCESS EXCLUSIVE", object: object, effect: "reads and writes wait")
    }

    private static func change(_ words: [String]) -> [LockFact] {
        let skip = words.first == "update" ? 0 : 1
        guard let object = name(in: words, after: skip) else { return [] }
        return [LockFact(lock: "ROW EXCLUSIVE", object: object, effect: "the rows it touches wait")]
    }

    /// The name after the word at `index`, past `if not exists`, `if exists` and `only`.
    private static func name(in words: [String], after index: Int) -> String? {
        words.dropFirst(index + 1).first { !["if", "not", "exists", "only", "table"].contains($0) }
    }

    private static func last(_ words: [String]) -> String { words.dropFirst().first { $0 != "table" } ?? "?" }
}
