/// Where clients reach the exporter through something before it: `https://watch.example:8443/pg`.
package struct ExternalURL: Sendable, Equatable {
    /// `http` or `https`.
    package let scheme: String
    /// Host and port as the text gives them.
    package let address: String
    /// What stands before every path; empty, or beginning with a slash and ending without.
    package let path: String

    /// Reads it; nil when it is none.
    package init?(_ text: String) {
        let parts = text.split(separator: "/", maxSplits: 3, omittingEmptySubsequences: false)
        guard parts.count >= 3, ["http:", "https:"].contains(parts[0]), parts[1].isEmpty, !parts[2].isEmpty,
            parts[2].utf8.allSatisfy({ $0 > 32 && $0 < 127 && !"@?#\"\\".utf8.contains($0) })
        else { return nil }
        scheme = String(parts[0].dropLast())
        address = String(parts[2])
        let rest = (parts.count > 3 ? parts[3] : "").split(separator: "/")
        guard rest.allSatisfy({ $0.utf8.allSatisfy { $0 > 32 && $0 < 127 && !"@?#\"\\".utf8.contains($0) } }) else {
            return nil
        }
        path = rest.map { "/" + $0 }.joined()
    }
}
