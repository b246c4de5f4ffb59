import CLibPQ
import Glibc

/// Where pgvigil's own database is, of all that says so: a connection string, then a service file, then the environment.
///
/// libpq would let the environment fill in every connection's gaps: those to other servers too.
package enum HomeConnection {
    /// Settings that libpq reads from the environment and that are not options by themselves.
    private static let legacy = "PGREQUIRESSL"

    /// A connection string with all that the environment adds to this one, which is taken out of the environment.
    ///
    /// Called once, before there are threads that read the environment. Where service files are stays in it.
    package static func capture(_ conninfo: String) -> String {
        let names = variables() + [legacy]
        defer { for name in names { unsetenv(name) } }
        guard names.contains(where: { getenv($0) != nil }) else { return conninfo }
        var own: [String: String] = [:]
        if !conninfo.isEmpty {
            // What cannot be read is told when it is used.
            guard let text = try? ConnectionText(conninfo) else { return conninfo }
            own = text.values
        }
        if let service = own["service"] { setenv("PGSERVICE", service, 1) }
        let values = defaults().merging(own) { $1 }
        return values.sorted { $0.key < $1.key }.map { "\($0.key)=\(quoted($0.value))" }.joined(separator: " ")
    }

    private static func variables() -> [String] {
        options { option in option.envvar.map { String(cString: $0) } }
    }

    /// What environment and service file say, by keyword.
    private static func defaults() -> [String: String] {
        let namesService = getenv("PGSERVICE") != nil
        let pairs: [(String, String)] = options { option in
            guard let keyword = option.keyword, let value = option.val else { return nil }
            let isGiven =
                option.envvar.map { getenv($0) != nil } ?? false
                || (String(cString: keyword) == "sslmode" && getenv(legacy) != nil)
            let isCompiled = option.compiled.map { strcmp($0, value) == 0 } ?? false
            guard isGiven || (namesService && !isCompiled) else { return nil }
            return (String(cString: keyword), String(cString: value))
        }
        return Dictionary(pairs) { first, _ in first }
    }

    private static func options<R>(_ read: (PQconninfoOption) -> R?) -> [R] {
        guard let first = PQconndefaults() else { return [] }
        defer { PQconninfoFree(first) }
        var found: [R] = []
        var option = first
        while option.pointee.keyword != nil {
            if let result = read(option.pointee) { found.append(result) }
            option += 1
        }
        return found
    }

    private static func quoted(_ value: String) -> String {
        var text = "'"
        for character in value.unicodeScalars {
            if character == "'" || character == "\\" { text.unicodeScalars.append("\\") }
            text.unicodeScalars.append(character)
        }
        return text + "'"
    }
}
