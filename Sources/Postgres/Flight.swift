/// One statement under way on a session.
struct Flight {
    let attempted: String
    let cancellation: Flag
    var interruption: Interruption
    /// Set while a cancel request is being sent.
    var cancelDone: Flag?

    init(_ attempted: String, _ cancellation: Flag, deadline: ContinuousClock.Instant?, cancelLimit: Duration) {
        self.attempted = attempted
        self.cancellation = cancellation
        interruption = Interruption(deadline: deadline, drainLimit: cancelLimit)
    }

    /// The error of a statement that the deadline or the task stopped.
    func interrupted(sqlState: String?, isConnectionLost: Bool) -> PostgresError {
        let isTimeout = interruption.reason == .timeout
        return PostgresError(
            kind: isTimeout ? .timeout : .cancelled, attempted: attempted, sqlState: sqlState,
            message: isTimeout ? "the time limit passed" : "the task was cancelled",
            isConnectionLost: isConnectionLost)
    }
}
