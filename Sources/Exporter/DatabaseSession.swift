import Postgres
import Runtime

/// One kept session, opened anew when it was lost; used by one task at a time.
final class DatabaseSession: Sendable {
    private struct State {
        var connection: PostgresConnection?
        var connects = 0
    }

    private let configuration: PostgresConfiguration
    private let state = Lock(State())

    init(_ configuration: PostgresConfiguration) { self.configuration = configuration }

    /// Whether the session is open as far as is known.
    var isOpen: Bool { state.withLock { $0.connection }?.isOpen ?? false }

    /// Times that the session was opened again.
    var reconnects: Int { state.withLock { max(0, $0.connects - 1) } }

    /// The session, opened if need be; one attempt.
    func connection() async throws(PostgresError) -> PostgresConnection {
        if let connection = state.withLock({ $0.connection }), connection.isOpen { return connection }
        let connection = try await PostgresConnection.connect(configuration)
        state.withLock { state in
            state.connection = connection
            state.connects += 1
        }
        return connection
    }

    /// Lets go of the session.
    func close() async { await state.withLock { $0.connection }?.close() }
}
