/// An option of a command; every one can also be given in the environment.
struct CommandOption: Sendable {
    /// The long name without dashes: `sql-dir`.
    let name: String
    /// The letter of the short form, if there is one.
    let short: Character?
    /// What the value is called in the help, or nil for a flag that takes none.
    let placeholder: String?
    /// One short line for the help.
    let summary: String
    /// Whether the help only names it, since its screen is full; docs/operations.md explains it.
    var isRare = false

    /// The same option, only named by the help.
    var rare: CommandOption {
        var option = self
        option.isRare = true
        return option
    }

    /// An option that takes a value: `--sql-dir DIR`.
    static func value(
        _ name: String, _ placeholder: String, short: Character? = nil, _ summary: String
    ) -> CommandOption {
        CommandOption(name: name, short: short, placeholder: placeholder, summary: summary)
    }

    /// An option that is there or not: `--json`.
    static func flag(_ name: String, short: Character? = nil, _ summary: String) -> CommandOption {
        CommandOption(name: name, short: short, placeholder: nil, summary: summary)
    }

    /// The variable that sets it: `PGVIGIL_SQL_DIR`.
    var environmentName: String {
        "PGVIGIL_" + name.uppercased().map { $0 == "-" ? "_" : String($0) }.joined()
    }

    var takesValue: Bool { placeholder != nil }
}
