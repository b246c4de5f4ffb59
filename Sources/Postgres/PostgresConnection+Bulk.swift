extension PostgresConnection {
    /// The names of the columns that a statement would give, found by asking the server; it is not run.
    ///
    /// - Throws: as `query` does; what the server says of a statement that it cannot run.
    package func describe(_ sql: String, timeout: Duration? = nil) async throws(PostgresError) -> [String] {
        try await perform("describe", timeout) { (session, flight) throws(PostgresError) in
            try session.describe(sql, &flight)
        }
    }

    /// Runs one statement and hands its rows over one by one, so that memory does not grow with their number.
    ///
    /// `onRow` runs on the connection's thread; when it throws, the statement is stopped and the error thrown here.
    /// - Throws: what `onRow` throws; else as `query` does, possibly after some rows.
    package func stream(
        _ sql: String, _ parameters: [String?] = [], timeout: Duration? = nil,
        onRow: @escaping @Sendable (PostgresRow) throws -> Void
    ) async throws {
        let refusal = try await perform("stream", timeout) { (session, flight) throws(PostgresError) in
            try session.stream(sql, parameters, &flight, onRow)
        }
        if let refusal { throw refusal }
    }

    /// Runs one statement and drops its rows as they come, so that memory does not grow with their number.
    ///
    /// Returns how many rows it inserted, changed, deleted, moved or returned.
    /// - Throws: as `query` does.
    @discardableResult
    package func run(_ sql: String, timeout: Duration? = nil) async throws(PostgresError) -> Int {
        try await perform("query", timeout) { (session, flight) throws(PostgresError) in
            try session.run(sql, &flight)
        }
    }

    /// Runs COPY … TO STDOUT and hands its bytes over as they come, a row at a time in text form.
    ///
    /// `onData` runs on the connection's thread and must not keep the buffer.
    /// - Throws: what `onData` throws; else as `query` does, possibly after some data.
    package func copyOut(
        _ sql: String, timeout: Duration? = nil,
        onData: @escaping @Sendable (UnsafeRawBufferPointer) throws -> Void
    ) async throws {
        let refusal = try await perform("copy out", timeout) { (session, flight) throws(PostgresError) in
            try session.copyOut(sql, &flight, onData)
        }
        if let refusal { throw refusal }
    }

    /// Runs COPY … FROM STDIN with the bytes that `next` yields until nil; returns the number of rows.
    ///
    /// `next` runs on the connection's thread; when it throws, nothing is stored and the error is thrown here.
    /// - Throws: what `next` throws; else as `query` does.
    @discardableResult
    package func copyIn(
        _ sql: String, timeout: Duration? = nil, _ next: @escaping @Sendable () throws -> [UInt8]?
    ) async throws -> Int {
        try await perform("copy in", timeout) { (session, flight) throws(PostgresError) in
            try session.copyIn(sql, &flight, next)
        }.get()
    }
}
