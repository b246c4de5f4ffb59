/// The notifications of one channel as they arrive, for one reader.
///
/// Ends quietly when the connection is closed or the reading task cancelled, with the error when it is lost.
package struct PostgresNotifications: AsyncSequence, Sendable {
    let buffer: NotificationBuffer

    /// Reads from where the last reader stopped.
    package func makeAsyncIterator() -> Iterator { Iterator(buffer: buffer) }

    /// Takes notifications one by one.
    package struct Iterator: AsyncIteratorProtocol {
        let buffer: NotificationBuffer

        /// The next notification, nil at the end.
        package mutating func next() async throws(PostgresError) -> PostgresNotification? {
            try await next(isolation: nil)
        }

        /// The next notification, nil at the end.
        package mutating func next(
            isolation actor: isolated (any Actor)?
        ) async throws(PostgresError) -> PostgresNotification? {
            switch await buffer.next() {
            case .next(let notification): return notification
            case .end(let error):
                if let error { throw error }
                return nil
            }
        }
    }
}
