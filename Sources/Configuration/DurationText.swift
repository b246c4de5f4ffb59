/// Lengths of time as people write them: `250ms`, `30s`, `5m`, `2h`, `1d`, `1h30m`.
package enum DurationText {
    private static let units: [(name: String, length: Duration)] = [
        ("d", .seconds(86_400)), ("h", .seconds(3_600)), ("m", .seconds(60)), ("s", .seconds(1)),
        ("ms", .milliseconds(1)),
    ]

    /// The duration, or nil when the text is none: whole numbers with units, each unit once, from long to short.
    package static func parse(_ text: String) -> Duration? {
        var rest = Substring(text)
        var total = Duration.zero
        var remaining = units[...]
        repeat {
            let digits = rest.prefix { $0.isASCII && $0.isNumber }
            rest = rest.dropFirst(digits.count)
            let name = rest.prefix { $0.isASCII && $0.isLetter }
            rest = rest.dropFirst(name.count)
            guard digits.count <= 9, let count = Int(digits),
                let index = remaining.firstIndex(where: { $0.name == name })
            else { return nil }
            total += remaining[index].length * count
            remaining = remaining[(index + 1)...]
        } while !rest.isEmpty
        return total
    }

    /// The shortest text that `parse` reads as this duration, down to milliseconds.
    package static func format(_ duration: Duration) -> String {
        let (seconds, attoseconds) = duration.components
        var milliseconds = seconds * 1_000 + attoseconds / 1_000_000_000_000_000
        var text = ""
        for unit in units {
            let length = unit.length.components.seconds * 1_000 + (unit.name == "ms" ? 1 : 0)
            let count = milliseconds / length
            if count > 0 { text += "\(count)\(unit.name)" }
            milliseconds %= length
        }
        return text.isEmpty ? "0s" : text
    }
}
