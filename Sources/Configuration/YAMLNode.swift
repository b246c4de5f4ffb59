/// A value of a YAML document and the place where it begins.
struct YAMLNode: Sendable {
    let mark: SourceMark
    let kind: Kind

    indirect enum Kind: Sendable {
        /// Text; `isPlain` when it stands without quotes, so that `~` and `true` may have a meaning.
        case scalar(String, isPlain: Bool)
        case sequence([YAMLNode])
        case mapping([Entry])
    }

    /// One key of a mapping and its value.
    struct Entry: Sendable {
        let key: String
        let keyMark: SourceMark
        let value: YAMLNode
    }

    /// Whether nothing was written: an empty value, `~` or `null`.
    var isNull: Bool {
        guard case .scalar(let text, isPlain: true) = kind else { return false }
        return ["", "~", "null", "Null", "NULL"].contains(text)
    }

    /// The value as a fault quotes it: never more than forty characters, and no structure.
    var summary: String {
        switch kind {
        case .scalar where isNull: "nothing"
        case .scalar(let text, _): Quote.brief(text)
        case .sequence: "a list"
        case .mapping: "a mapping"
        }
    }
}
