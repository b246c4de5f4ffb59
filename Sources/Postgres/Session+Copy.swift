import CLibPQ
import Glibc

extension Session {
    /// How many bytes go to libpq before they are pushed to the server: its own buffer would grow without limit.
    private static let chunkSize = 256 * 1024

    /// Runs COPY … FROM STDIN and sends what `next` yields; returns the row count, or the error of the source.
    func copyIn(
        _ sql: String, _ flight: inout Flight, _ next: () throws -> [UInt8]?
    ) throws(PostgresError) -> Result<Int, any Error> {
        try begin(sql, PGRES_COPY_IN, "COPY … FROM STDIN", &flight)
        var refusal: (any Error)?
        var isComplete = false
        do {
            while flight.interruption.reason == nil, !isBroken {
                guard let bytes = try next() else {
                    isComplete = true
                    break
                }
                guard try put(bytes, &flight) else { break }
            }
        } catch let error as PostgresError where error.isConnectionLost && isBroken {
            throw error
        } catch {
            refusal = error
        }
        // Only the source's own end may complete the COPY: anything else must not store a part of the rows.
        _ = PQputCopyEnd(connection, isComplete ? nil : "the client gave up")
        try flush(&flight)
        var rows = 0
        do throws(PostgresError) {
            try collect(&flight) { rows = $0.affectedRows }
        } catch {
            guard let refusal else { throw error }
            return .failure(refusal)
        }
        return .success(rows)
    }

    /// Runs COPY … TO STDOUT and hands its bytes over; returns the error of the reader if it threw.
    func copyOut(
        _ sql: String, _ flight: inout Flight, _ onData: (UnsafeRawBufferPointer) throws -> Void
    ) throws(PostgresError) -> (any Error)? {
        try begin(sql, PGRES_COPY_OUT, "COPY … TO STDOUT", &flight)
        var refusal: (any Error)?
        var buffer: UnsafeMutablePointer<CChar>?
        while true {
            try checkInterruption(&flight)
            let length = isBroken ? -2 : PQgetCopyData(connection, &buffer, 1)
            if length == 0 {
                try wait(POLLIN, &flight)
                consumeInput()
                continue
            }
            guard length > 0 else { break }
            defer { PQfreemem(buffer) }
            guard refusal == nil else { continue }
            do {
                try onData(UnsafeRawBufferPointer(start: buffer, count: Int(length)))
            } catch {
                refusal = error
                stop(&flight)
            }
        }
        do throws(PostgresError) {
            try collect(&flight) { _ in }
            return refusal
        } catch {
            guard let refusal else { throw error }
            return refusal
        }
    }

    /// Ends a COPY that nobody asked for: tells the server that no data will come and none is wanted, reads away the rest.
    func abandonCopy(_ flight: inout Flight) throws(PostgresError) {
        _ = PQputCopyEnd(connection, "COPY was not expected")
        stop(&flight)
        try flush(&flight)
        var buffer: UnsafeMutablePointer<CChar>?
        while !isBroken {
            try checkInterruption(&flight)
            let length = PQgetCopyData(connection, &buffer, 1)
            if length > 0 {
                PQfreemem(buffer)
            } else if length == 0 {
                try wait(POLLIN, &flight)
                consumeInput()
            } else {
                break
            }
        }
    }

    /// Sends the statement and waits until the server is ready to copy.
    private func begin(
        _ sql: String, _ expected: ExecStatusType, _ name: String, _ flight: inout Flight
    ) throws(PostgresError) {
        guard PQsendQuery(connection, sql) == 1 else { throw connectionError(flight.attempted) }
        try flush(&flight)
        guard let result = try nextResult(&flight) else { throw connectionError(flight.attempted) }
        if result.status == expected { return }
        var error = PostgresError(kind: .usage, attempted: flight.attempted, message: "the statement is no \(name)")
        if result.isError { error = result.error(attempted: flight.attempted, isConnectionLost: isBroken) }
        if result.isCopy { try abandonCopy(&flight) }
        while let more = try nextResult(&flight) { if more.isCopy { try abandonCopy(&flight) } }
        try finish(&flight, error)
    }

    /// Sends one piece; false when libpq takes no more, of which the results will tell the reason.
    private func put(_ bytes: [UInt8], _ flight: inout Flight) throws(PostgresError) -> Bool {
        var start = 0
        while start < bytes.count, flight.interruption.reason == nil, !isBroken {
            let end = min(start + Self.chunkSize, bytes.count)
            let sent = bytes[start..<end].withUnsafeBytes { part in
                PQputCopyData(connection, part.baseAddress?.assumingMemoryBound(to: CChar.self), Int32(part.count))
            }
            guard sent >= 0 else { return false }
            if sent == 1 {
                unflushed += end - start
                start = end
            }
            if sent == 0 || unflushed >= Self.chunkSize {
                unflushed = 0
                try flush(&flight)
            }
            try checkInterruption(&flight)
        }
        return true
    }
}
