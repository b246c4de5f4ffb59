import CLibPQ

/// What a connection string says by itself, before libpq adds anything.
package struct ConnectionText: Sendable {
    /// The values by keyword; of a URI too.
    package let values: [String: String]

    /// The keywords whose values are secrets.
    private static let secret: Set<String> = ["password", "sslpassword"]

    /// Takes the string apart; nothing is connected.
    ///
    /// - Throws: kind usage for a malformed string, of which nothing is repeated.
    package init(_ conninfo: String) throws(PostgresError) {
        guard conninfo.contains("=") || conninfo.contains("://"),
            let options = PQconninfoParse(conninfo, nil)
        else {
            throw PostgresError(
                kind: .usage, attempted: "connect", message: "malformed connection string",
                hint: "Write key=value pairs, values with blanks in single quotes, or a URI.")
        }
        defer { PQconninfoFree(options) }
        var values: [String: String] = [:]
        var option = options
        while let keyword = option.pointee.keyword {
            if let value = option.pointee.val { values[String(cString: keyword)] = String(cString: value) }
            option += 1
        }
        self.values = values
    }

    /// Whether it holds a password.
    package var holdsSecret: Bool { !Self.secret.isDisjoint(with: values.keys) }
}
