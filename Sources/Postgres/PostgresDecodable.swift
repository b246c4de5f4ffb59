/// A type that can be read from PostgreSQL's text form.
package protocol PostgresDecodable {
    /// Reads the text; nil when it is no such value.
    init?(postgresText text: String)
}

extension PostgresDecodable where Self: LosslessStringConvertible {
    /// Reads what the type itself understands.
    package init?(postgresText text: String) { self.init(text) }
}

extension String: PostgresDecodable {}
extension Int: PostgresDecodable {}
extension Int16: PostgresDecodable {}
extension Int32: PostgresDecodable {}
extension Int64: PostgresDecodable {}

extension Double: PostgresDecodable {
    /// Reads a number, `NaN`, `Infinity` or `-Infinity`.
    package init?(postgresText text: String) { self.init(text) }
}

extension Bool: PostgresDecodable {
    /// Reads `t` or `f`.
    package init?(postgresText text: String) {
        switch text {
        case "t": self = true
        case "f": self = false
        default: return nil
        }
    }
}
