/// One NOTIFY that arrived.
package struct PostgresNotification: Sendable, Equatable {
    /// The channel it was sent to.
    package let channel: String
    /// What the sender said; often empty.
    package let payload: String
    /// The sender's backend.
    package let pid: Int32
}
