import CLibPQ

extension Session {
    /// Runs one statement and hands its rows over one by one; returns the error of the reader if it threw.
    func stream(
        _ sql: String, _ parameters: [String?], _ flight: inout Flight, _ onRow: (PostgresRow) throws -> Void
    ) throws(PostgresError) -> (any Error)? {
        try send(sql, parameters, &flight, rowByRow: true)
        var header: PostgresHeader?
        var first: PostgresError?
        var refusal: (any Error)?
        while let result = try nextResult(&flight) {
            if result.isError {
                first = first ?? result.error(attempted: flight.attempted, isConnectionLost: isBroken)
            } else if result.isCopy {
                let misuse = try leaveCopy(&flight)
                first = first ?? misuse
            } else if result.hasSingleRow, refusal == nil {
                let shared = header.orMake(result.header)
                do {
                    try onRow(PostgresRow(header: shared, values: result.values()[...]))
                } catch {
                    refusal = error
                    stop(&flight)
                }
            }
            try checkInterruption(&flight)
        }
        return try finish(&flight, first, refusal)
    }

    /// Ends the statement; a reader's refusal is told instead of the error that our stopping it brought about.
    func finish(
        _ flight: inout Flight, _ error: PostgresError?, _ refusal: (any Error)?
    ) throws(PostgresError) -> (any Error)? {
        do throws(PostgresError) {
            try finish(&flight, error)
            return refusal
        } catch {
            guard let refusal else { throw error }
            return refusal
        }
    }
}

extension PostgresHeader? {
    /// What is there, else the value, which is kept.
    fileprivate mutating func orMake(_ value: @autoclosure () -> PostgresHeader) -> PostgresHeader {
        if let self { return self }
        let made = value()
        self = made
        return made
    }
}
