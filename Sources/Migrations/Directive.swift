/// What a line `--! …` at the top of a migration asks for.
package enum Directive: String, Sendable, CaseIterable {
    /// Runs outside a transaction; the file then holds exactly one statement.
    case noTransaction = "no-transaction"
    /// An older pgvigil must not run against the schema from here on.
    case breaking
    /// Runs as the connecting role instead of as monitoring_owner.
    case asInstaller = "as-installer"
}
