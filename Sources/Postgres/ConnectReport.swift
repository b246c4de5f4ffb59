/// libpq's report of a failed attempt to connect, which carries the server's code only in its verbose text.
struct ConnectReport: Equatable {
    /// The last code in the text.
    let sqlState: String?
    /// The text without codes and places in the server's source.
    let message: String

    init(_ text: String) {
        var found: String?
        let lines = text.split(separator: "\n").compactMap { line -> String? in
            guard !line.hasPrefix("LOCATION:") else { return nil }
            var parts = line.split(separator: ":", omittingEmptySubsequences: false)
            guard let index = parts.indices.dropFirst().first(where: { Self.isCode(parts[$0]) }) else {
                return String(line)
            }
            found = String(parts.remove(at: index)).trimmed
            return parts.joined(separator: ":").split(separator: " ").joined(separator: " ")
        }
        sqlState = found
        message = lines.joined(separator: "; ").trimmed
    }

    /// Whether the part between two colons is a code: a blank and then five capitals or digits, not all capitals.
    private static func isCode(_ part: Substring) -> Bool {
        let code = part.drop { $0 == " " }
        guard part.first == " ", code.utf8.count == 5 else { return false }
        let hasDigit = code.utf8.contains { (48...57).contains($0) }
        return hasDigit && code.utf8.allSatisfy { (48...57).contains($0) || (65...90).contains($0) }
    }
}
