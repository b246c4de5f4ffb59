import CLibPQ
import Glibc

extension Session {
    /// Runs one statement by the extended protocol and reads its whole result.
    func query(_ sql: String, _ parameters: [String?], _ flight: inout Flight) throws(PostgresError) -> PostgresRows {
        try send(sql, parameters, &flight)
        var rows: PostgresRows?
        try collect(&flight) { result in rows = result.rows() }
        guard let rows else { throw connectionError(flight.attempted) }
        return rows
    }

    /// Runs one statement by the extended protocol and drops its rows as they come; returns the count of its tag.
    func run(_ sql: String, _ flight: inout Flight) throws(PostgresError) -> Int {
        try send(sql, [], &flight, rowByRow: true)
        var affectedRows: Int?
        // The tag comes with the last result, after the single rows.
        try collect(&flight) { result in if !result.hasSingleRow { affectedRows = result.affectedRows } }
        guard let affectedRows else { throw connectionError(flight.attempted) }
        return affectedRows
    }

    /// Has the server parse one statement and tell its columns, without running it.
    func describe(_ sql: String, _ flight: inout Flight) throws(PostgresError) -> [String] {
        guard PQsendPrepare(connection, "", sql, 0, nil) == 1 else { throw connectionError(flight.attempted) }
        try flush(&flight)
        try collect(&flight) { _ in }
        guard PQsendDescribePrepared(connection, "") == 1 else { throw connectionError(flight.attempted) }
        try flush(&flight)
        var columns: [String]?
        try collect(&flight) { result in columns = result.header.names }
        guard let columns else { throw connectionError(flight.attempted) }
        return columns
    }

    /// Runs statements by the simple protocol and ignores their results.
    func execute(_ script: String, _ flight: inout Flight) throws(PostgresError) {
        guard PQsendQuery(connection, script) == 1 else { throw connectionError(flight.attempted) }
        try flush(&flight)
        try collect(&flight) { _ in }
    }

    /// Sends one statement with its parameters; its rows come one by one if so wished.
    func send(
        _ sql: String, _ parameters: [String?], _ flight: inout Flight, rowByRow: Bool = false
    ) throws(PostgresError) {
        let encoded = try ParameterList(parameters, attempted: flight.attempted)
        let sent = encoded.withPointers { count, values in
            PQsendQueryParams(connection, sql, count, nil, values, nil, nil, 0)
        }
        guard sent == 1 else { throw connectionError(flight.attempted) }
        if rowByRow { PQsetSingleRowMode(connection) }
        try flush(&flight)
    }

    /// Reads all results of the statement, gives each good one to `take` and throws the first error at the end.
    func collect(_ flight: inout Flight, _ take: (borrowing ResultSet) -> Void) throws(PostgresError) {
        var first: PostgresError?
        while let result = try nextResult(&flight) {
            if result.isError {
                first = first ?? result.error(attempted: flight.attempted, isConnectionLost: isLost)
            } else if result.isCopy {
                let misuse = try leaveCopy(&flight)
                first = first ?? misuse
            } else {
                take(result)
            }
        }
        try finish(&flight, first)
    }

    /// The next result, or nil when the statement has ended.
    func nextResult(_ flight: inout Flight) throws(PostgresError) -> ResultSet? {
        while !isBroken, PQisBusy(connection) == 1 {
            try wait(POLLIN, &flight)
            consumeInput()
        }
        return PQgetResult(connection).map { ResultSet($0) }
    }

    /// Pushes all that libpq holds to the server, reading meanwhile, so that neither side blocks the other.
    func flush(_ flight: inout Flight) throws(PostgresError) {
        while !isBroken, PQflush(connection) == 1 {
            try wait(POLLIN | POLLOUT, &flight)
            consumeInput()
        }
    }

    private var isLost: Bool { isBroken || PQstatus(connection) == CONNECTION_BAD }

    /// Ends a COPY that nobody asked for through the COPY calls.
    func leaveCopy(_ flight: inout Flight) throws(PostgresError) -> PostgresError {
        try abandonCopy(&flight)
        return PostgresError(kind: .usage, attempted: flight.attempted, message: "COPY needs copyIn or copyOut")
    }
}

/// Texts as C strings that live for one call.
private struct ParameterList {
    private let bytes: [CChar]
    private let offsets: [Int?]

    init(_ parameters: [String?], attempted: String) throws(PostgresError) {
        var bytes: [CChar] = []
        var offsets: [Int?] = []
        for parameter in parameters {
            offsets.append(parameter == nil ? nil : bytes.count)
            guard let parameter else { continue }
            let start = bytes.count
            for byte in parameter.utf8 { bytes.append(CChar(bitPattern: byte)) }
            guard !bytes[start...].contains(0) else {
                throw PostgresError(kind: .usage, attempted: attempted, message: "a parameter holds a zero byte")
            }
            bytes.append(0)
        }
        self.bytes = bytes
        self.offsets = offsets
    }

    func withPointers<R>(_ body: (Int32, UnsafePointer<UnsafePointer<CChar>?>?) -> R) -> R {
        bytes.withUnsafeBufferPointer { buffer in
            let pointers = offsets.map { offset in offset.flatMap { start in buffer.baseAddress.map { $0 + start } } }
            return pointers.withUnsafeBufferPointer { body(Int32($0.count), $0.baseAddress) }
        }
    }
}
