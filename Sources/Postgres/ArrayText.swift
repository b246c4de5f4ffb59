/// One-dimensional arrays in PostgreSQL's text form.
package enum ArrayText {
    /// The array of the values; nil becomes NULL.
    package static func text(_ values: [String?]) -> String {
        "{" + values.map { $0.map(quoted) ?? "NULL" }.joined(separator: ",") + "}"
    }

    private static func quoted(_ text: String) -> String {
        var quoted: [UInt8] = [34]
        quoted.reserveCapacity(text.utf8.count + 16)
        for byte in text.utf8 {
            if byte == 34 || byte == 92 { quoted.append(92) }
            quoted.append(byte)
        }
        quoted.append(34)
        return String(decoding: quoted, as: UTF8.self)
    }
}
