package import Runtime

extension PostgresConnection {
    /// Connects, trying again after transient failures until the time limit or the task's cancellation.
    ///
    /// - Throws: the last failure; at once one that will not heal by itself, such as a wrong password.
    package static func connect(
        _ configuration: PostgresConfiguration, retrying backoff: Backoff, limit: Duration? = nil,
        clock: any Clock<Duration> = ContinuousClock()
    ) async throws(PostgresError) -> PostgresConnection {
        var backoff = backoff
        let end = limit.map { Monotonic.now() + $0 }
        while true {
            do throws(PostgresError) {
                return try await connect(configuration)
            } catch {
                let pause = backoff.next()
                guard error.isTransient, end.map({ Monotonic.now() + pause < $0 }) ?? true else { throw error }
                guard (try? await clock.sleep(for: pause)) != nil else { throw Session.cancelled("connect") }
            }
        }
    }
}
