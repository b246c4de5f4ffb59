/// Finds what a misspelt word was probably meant to be.
package enum Spelling {
    /// `, did you mean "timeout"?`, or a list of what there is, or nothing when there is nothing to choose from.
    package static func hint(for word: String, among candidates: [String]) -> String {
        if let near = nearest(to: word, among: candidates) { return ", did you mean \"\(near)\"?" }
        return candidates.isEmpty ? "" : ", expected one of " + candidates.joined(separator: ", ")
    }

    /// The candidate that differs by no more than a third of the word's letters, if there is one.
    package static func nearest(to word: String, among candidates: [String]) -> String? {
        // A word of absurd length is no slip of the finger, and comparing it would cost.
        guard word.utf8.count <= 40 else { return nil }
        let scored = candidates.map { (candidate: $0, distance: distance(word, $0)) }
        guard let best = scored.min(by: { $0.distance < $1.distance }) else { return nil }
        return best.distance <= max(1, word.count / 3) ? best.candidate : nil
    }

    /// Letters to insert, delete or replace, and neighbours to swap, that lead from one word to the other.
    static func distance(_ left: String, _ right: String) -> Int {
        let from = Array(left.lowercased().utf8)
        let to = Array(right.lowercased().utf8)
        var rows = [Array(0...to.count)]
        for i in from.indices {
            var row = [i + 1]
            for j in to.indices {
                var best = min(rows[i][j + 1] + 1, row[j] + 1, rows[i][j] + (from[i] == to[j] ? 0 : 1))
                if i > 0, j > 0, from[i] == to[j - 1], from[i - 1] == to[j] { best = min(best, rows[i - 1][j - 1] + 1) }
                row.append(best)
            }
            rows.append(row)
        }
        return rows[from.count][to.count]
    }
}
