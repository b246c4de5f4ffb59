/// Reads settings: an option wins over the environment, and the environment over the default.
///
/// What is wrong is gathered, so that every wrong setting is told at once.
package struct Settings {
    private let option: (String) -> String?
    private let environment: (String) -> String?
    private var faults: [ConfigurationFault] = []

    /// Looks up options by name without dashes, and variables by their full name.
    package init(option: @escaping (String) -> String?, environment: @escaping (String) -> String?) {
        self.option = option
        self.environment = environment
    }

    /// The value in force; the default when the given one is wrong, which `validate` then tells.
    package mutating func value<Value>(_ setting: Setting<Value>) -> Value {
        let source: String
        let text: String
        if let given = option(setting.name) {
            source = "--\(setting.name)"
            text = given
        } else if let given = environment(setting.variable), !given.isEmpty {
            // An empty variable is the shell's way to take one back.
            source = setting.variable
            text = given
        } else {
            return setting.defaultValue
        }
        if let value = setting.parse(text) { return value }
        let found = setting.isSecret ? "" : ", found \(Quote.brief(text))"
        faults.append(ConfigurationFault(source: source, message: "expected \(setting.expectation)\(found)"))
        return setting.defaultValue
    }

    /// Tells of every wrong setting read so far.
    /// - Throws: `ConfigurationError`.
    package func validate() throws(ConfigurationError) {
        if !faults.isEmpty { throw ConfigurationError(faults) }
    }

    /// A remark for each variable of ours that no setting reads, which most often is one misspelt.
    package static func unknownVariables(in names: [String], known: [String]) -> [ConfigurationFault] {
        names.filter { $0.hasPrefix("PGVIGIL_") && !known.contains($0) }.sorted().map { name in
            let near = Spelling.nearest(to: name, among: known)
            let hint = near.map { ", did you mean \"\($0)\"?" } ?? ""
            return ConfigurationFault(source: name, message: "unknown setting" + hint)
        }
    }
}
