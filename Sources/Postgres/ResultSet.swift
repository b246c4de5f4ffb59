import CLibPQ

/// One PGresult; it is cleared when this goes, and nothing of it stays.
struct ResultSet: ~Copyable {
    /// The parts of an error report, by the codes of the protocol.
    enum Field: UInt8 {
        case severity = 0x56  // V
        case sqlState = 0x43  // C
        case message = 0x4D  // M
        case detail = 0x44  // D
        case hint = 0x48  // H
        case position = 0x50  // P
        case context = 0x57  // W
        case constraint = 0x6E  // n
    }

    private let pointer: OpaquePointer

    init(_ pointer: OpaquePointer) { self.pointer = pointer }

    deinit { PQclear(pointer) }

    var status: ExecStatusType { PQresultStatus(pointer) }

    var isError: Bool {
        switch status {
        case PGRES_FATAL_ERROR, PGRES_NONFATAL_ERROR, PGRES_BAD_RESPONSE: true
        default: false
        }
    }

    var isCopy: Bool {
        switch status {
        case PGRES_COPY_IN, PGRES_COPY_OUT, PGRES_COPY_BOTH: true
        default: false
        }
    }

    var hasSingleRow: Bool { status == PGRES_SINGLE_TUPLE }

    var header: PostgresHeader {
        PostgresHeader(names: (0..<PQnfields(pointer)).map { PQfname(pointer, $0).map { String(cString: $0) } ?? "" })
    }

    /// All values, row by row.
    func values() -> [String?] {
        let rows = PQntuples(pointer)
        let columns = PQnfields(pointer)
        var values: [String?] = []
        values.reserveCapacity(Int(rows) * Int(columns))
        for row in 0..<rows {
            for column in 0..<columns { values.append(value(row, column)) }
        }
        return values
    }

    func rows() -> PostgresRows {
        PostgresRows(
            header: header, values: values(), count: Int(PQntuples(pointer)),
            commandTag: PQcmdStatus(pointer).map { String(cString: $0) } ?? "", affectedRows: affectedRows)
    }

    var affectedRows: Int { PQcmdTuples(pointer).flatMap { Int(String(cString: $0)) } ?? 0 }

    func error(attempted: String, isConnectionLost: Bool) -> PostgresError {
        let sqlState = field(.sqlState)
        let whole = PQresultErrorMessage(pointer).map { String(cString: $0) } ?? ""
        var error = PostgresError(
            kind: sqlState == nil && isConnectionLost ? .connection : .server, attempted: attempted,
            sqlState: sqlState, message: field(.message) ?? whole.trimmed,
            detail: field(.detail), hint: field(.hint),
            isConnectionLost: isConnectionLost)
        error.context = field(.context)
        error.position = field(.position).flatMap { Int($0) }
        error.constraint = field(.constraint)
        return error
    }

    private func value(_ row: Int32, _ column: Int32) -> String? {
        guard PQgetisnull(pointer, row, column) == 0, let start = PQgetvalue(pointer, row, column) else { return nil }
        let bytes = UnsafeRawBufferPointer(start: start, count: Int(PQgetlength(pointer, row, column)))
        return String(decoding: bytes, as: UTF8.self)
    }

    private func field(_ code: Field) -> String? { Self.field(code, of: pointer) }

    static func field(_ code: Field, of result: OpaquePointer) -> String? {
        PQresultErrorField(result, Int32(code.rawValue)).map { String(cString: $0) }
    }
}

extension String {
    /// Without blanks and line ends at both ends.
    var trimmed: String {
        guard let first = firstIndex(where: { !$0.isWhitespace }), let last = lastIndex(where: { !$0.isWhitespace })
        else { return "" }
        return String(self[first...last])
    }
}
