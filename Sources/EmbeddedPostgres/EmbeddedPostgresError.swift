/// A private cluster could not be made, started or stopped.
package struct EmbeddedPostgresError: Error, Sendable, CustomStringConvertible {
    /// What failed.
    package let message: String
    /// What to do about it.
    package let remedy: String
    /// What the program that failed said, or the end of the server's log.
    package let output: String

    init(_ message: String, remedy: String = "", output: String = "") {
        self.message = message
        self.remedy = remedy
        self.output = output
    }

    /// The failure, the remedy and what was said.
    package var description: String {
        [message, remedy, output].filter { !$0.isEmpty }.joined(separator: "\n")
    }
}
