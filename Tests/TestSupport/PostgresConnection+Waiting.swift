package import Postgres

extension PostgresConnection {
    /// Asks again and again, without sleeping here, until the query's first value is true.
    ///
    /// - Throws: what a query throws, kind `timeout` after 20 seconds.
    package func waitUntil(_ sql: String, _ parameters: [String?] = []) async throws(PostgresError) {
        let end = ContinuousClock.now + .seconds(20)
        while try await query(sql, parameters).scalar != "t" {
            guard ContinuousClock.now < end else {
                throw PostgresError(kind: .timeout, attempted: "wait", message: "never became true: \(sql)")
            }
            // The server passes the time, so that a busy machine is not made busier.
            try await execute("select pg_sleep(0.005)")
        }
    }
}
