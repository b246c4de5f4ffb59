import Runtime

/// One session with a server, on a thread of its own; calls queue up and run one after another.
///
/// Cancelling the calling task cancels the statement on the server. Letting go of the last reference closes it.
package final class PostgresConnection: Sendable {
    private let mailbox: Mailbox

    private init(mailbox: Mailbox) { self.mailbox = mailbox }

    deinit { mailbox.stop() }

    /// Opens a session.
    ///
    /// - Throws: kind `usage` for a malformed connection string, `timeout`, `cancelled`, else `connection`.
    package static func connect(
        _ configuration: PostgresConfiguration
    ) async throws(PostgresError) -> PostgresConnection {
        let mailbox = try Mailbox()
        let cancellation = Flag()
        let opening = Opening()
        let failure = await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                opening.wait(continuation)
                start(configuration, mailbox, cancellation) { opening.end($0) }
            }
        } onCancel: {
            cancellation.set()
            mailbox.wake()
            // The thread may be held by the look-up of a host's name, which nothing can stop: it ends by itself.
            if opening.end(Session.cancelled("connect")) { mailbox.stop() }
        }
        if let failure { throw failure }
        return PostgresConnection(mailbox: mailbox)
    }

    /// The process id of the server's side.
    package var backendPID: Int32 { mailbox.facts.backendPID }

    /// The server's version as a number, such as 150020.
    package var serverVersion: Int { mailbox.facts.serverVersion }

    /// Whether calls can succeed as far as is known; a lost connection shows within milliseconds.
    package var isOpen: Bool { mailbox.isOpen }

    /// Whether the last statement left a transaction open.
    package var isInTransaction: Bool { mailbox.facts.isInTransaction }

    /// Runs one statement with `$1`… parameters and returns all its rows.
    ///
    /// - Throws: kind `cancelled` when the task was, `timeout` when `timeout` passed, else what the server said.
    package func query(
        _ sql: String, _ parameters: [String?] = [], timeout: Duration? = nil
    ) async throws(PostgresError) -> PostgresRows {
        try await perform("query", timeout) { (session, flight) throws(PostgresError) in
            try session.query(sql, parameters, &flight)
        }
    }

    /// Runs a script of one or more statements and ignores their rows.
    ///
    /// - Throws: as `query` does; the statements before the faulty one are undone unless the script commits.
    package func execute(_ script: String, timeout: Duration? = nil) async throws(PostgresError) {
        try await perform("execute", timeout) { (session, flight) throws(PostgresError) in
            try session.execute(script, &flight)
        }
    }

    /// Finishes what was submitted, closes the session and returns when its thread has let go.
    package func close() async {
        mailbox.stop()
        await mailbox.waitForEnd()
    }

    /// Subscribes to a channel; what is sent from now on is kept for the reader, the newest 10,000 at most.
    ///
    /// - Throws: as `query` does. The sequence itself throws when the connection is lost.
    package func listen(_ channel: String) async throws(PostgresError) -> PostgresNotifications {
        let buffer = NotificationBuffer()
        try await perform("listen", nil) { (session, flight) throws(PostgresError) in
            session.subscribe(buffer, to: channel)
            do throws(PostgresError) {
                try session.execute("listen \(Self.quotedIdentifier(channel))", &flight)
            } catch {
                session.unsubscribe(buffer, from: channel)
                throw error
            }
        }
        return PostgresNotifications(buffer: buffer)
    }

    /// The name as SQL writes it.
    package static func quotedIdentifier(_ name: String) -> String {
        "\"" + name.split(separator: "\"", omittingEmptySubsequences: false).joined(separator: "\"\"") + "\""
    }

    /// Lets the session end when what was submitted is done, without waiting for it.
    func stop() { mailbox.stop() }

    // MARK: The thread

    private static func start(
        _ configuration: PostgresConfiguration, _ mailbox: Mailbox, _ cancellation: Flag,
        _ opened: @escaping @Sendable (PostgresError?) -> Void
    ) {
        do {
            try OSThread.start(name: "postgres") {
                do throws(PostgresError) {
                    mailbox.end(try live(configuration, mailbox, cancellation, opened))
                } catch {
                    mailbox.end(error)
                    opened(error)
                }
            }
        } catch {
            opened(PostgresError(kind: .connection, attempted: "connect", message: error.description))
        }
    }

    /// Lives through a session, which is closed on return, and tells how it was lost: nil when closed on purpose.
    private static func live(
        _ configuration: PostgresConfiguration, _ mailbox: Mailbox, _ cancellation: Flag,
        _ opened: @escaping @Sendable (PostgresError?) -> Void
    ) throws(PostgresError) -> PostgresError? {
        let session = try Session.open(configuration, mailbox, cancellation)
        opened(nil)
        let loss = session.serve()
        session.endSubscriptions(loss)
        return loss
    }

    /// Runs `body` on the connection's thread and waits for it.
    func perform<R: Sendable>(
        _ attempted: String, _ timeout: Duration?,
        _ body: @escaping @Sendable (Session, inout Flight) throws(PostgresError) -> R
    ) async throws(PostgresError) -> R {
        let cancellation = Flag()
        let deadline = timeout.map { Monotonic.now() + $0 }
        let outcome: Result<R, PostgresError> = await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let job = Job(
                    cancellation: cancellation,
                    run: { session in
                        var flight = Flight(
                            attempted, cancellation, deadline: deadline, cancelLimit: session.cancelLimit)
                        do throws(PostgresError) {
                            continuation.resume(returning: .success(try body(session, &flight)))
                        } catch {
                            continuation.resume(returning: .failure(error))
                        }
                    }, fail: { continuation.resume(returning: .failure($0)) }, attempted: attempted)
                mailbox.submit(job)
            }
        } onCancel: {
            cancellation.set()
            mailbox.withdraw(cancellation)
        }
        return try outcome.get()
    }
}
