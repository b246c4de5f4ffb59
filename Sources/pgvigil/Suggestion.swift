/// Finds what a misspelt word was probably meant to be.
enum Suggestion {
    /// The nearest candidate, if it is near enough to be worth saying.
    static func nearest(to word: String, among candidates: [String]) -> String? {
        let ranked = candidates.map { ($0, distance(word, $0)) }
        guard let best = ranked.min(by: { $0.1 < $1.1 }) else { return nil }
        let isStart = word.count > 1 && best.0.hasPrefix(word)
        return best.1 <= max(1, word.count / 3) || isStart ? best.0 : prefixed(word, candidates)
    }

    private static func prefixed(_ word: String, _ candidates: [String]) -> String? {
        word.count > 1 ? candidates.first { $0.hasPrefix(word) } : nil
    }

    /// Edits (insert, delete, replace, swap of neighbours) that lead from one word to the other.
    static func distance(_ left: String, _ right: String) -> Int {
        let from = Array(left.lowercased())
        let to = Array(right.lowercased())
        var beforePrevious: [Int] = []
        var previous = Array(0...to.count)
        for i in from.indices {
            var current = [i + 1]
            for j in to.indices {
                let cost = from[i] == to[j] ? 0 : 1
                var best = min(previous[j + 1] + 1, current[j] + 1, previous[j] + cost)
                if i > 0, j > 0, from[i] == to[j - 1], from[i - 1] == to[j] {
                    best = min(best, beforePrevious[j - 1] + 1)
                }
                current.append(best)
            }
            beforePrevious = previous
            previous = current
        }
        return previous[to.count]
    }
}
