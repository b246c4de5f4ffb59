import CLibPQ
import Glibc
import Runtime

extension Session {
    /// Connects; blocks this thread, at most for the time limit once the host's name is resolved.
    static func open(
        _ configuration: PostgresConfiguration, _ mailbox: Mailbox, _ cancellation: Flag
    ) throws(PostgresError) -> Session {
        try checkSyntax(configuration.conninfo)
        guard let connection = start(configuration) else {
            throw PostgresError(kind: .connection, attempted: "connect", message: "out of memory")
        }
        let notices = NoticeSink(onNotice: configuration.onNotice)
        notices.install(in: connection)
        PQsetErrorVerbosity(connection, PQERRORS_VERBOSE)
        let session = Session(
            connection: connection, mailbox: mailbox, notices: notices, cancelLimit: configuration.cancelLimit)
        let options = ConnectionOptions(of: connection)
        var flight = Flight(
            "connect", cancellation,
            deadline: Monotonic.now() + (options.connectTimeout ?? configuration.connectTimeout),
            cancelLimit: configuration.cancelLimit)
        try session.complete(&flight)
        PQsetErrorVerbosity(connection, PQERRORS_DEFAULT)
        PQsetnonblocking(connection, 1)
        options.keepAlive(socket: PQsocket(connection))
        session.becomeReady()
        return session
    }

    private static func start(_ configuration: PostgresConfiguration) -> OpaquePointer? {
        let settings: [(String, String)] = [
            ("fallback_application_name", configuration.applicationName),
            ("dbname", configuration.conninfo),
            ("client_encoding", "UTF8"),
        ]
        let names = settings.map { strdup($0.0) } + [nil]
        let values = settings.map { strdup($0.1) } + [nil]
        defer { for text in names + values { free(text) } }
        return PQconnectStartParams(
            names.map { UnsafePointer($0) }, values.map { UnsafePointer($0) }, 1)
    }

    /// Drives the handshake until the session is usable.
    private func complete(_ flight: inout Flight) throws(PostgresError) {
        guard PQstatus(connection) != CONNECTION_BAD else { throw connectFailure() }
        var progress = PGRES_POLLING_WRITING
        while true {
            switch progress {
            case PGRES_POLLING_OK: return
            case PGRES_POLLING_READING: try wait(POLLIN, &flight)
            case PGRES_POLLING_WRITING: try wait(POLLOUT, &flight)
            default: throw connectFailure()
            }
            progress = PQconnectPoll(connection)
        }
    }

    private func connectFailure() -> PostgresError {
        let report = ConnectReport(String(cString: PQerrorMessage(connection)))
        var error = PostgresError(
            kind: .connection, attempted: "connect", sqlState: report.sqlState, message: report.message,
            isConnectionLost: true)
        if PQconnectionNeedsPassword(connection) == 1 {
            error.hint = "Give the password by PGPASSWORD, a password file or the connection string."
        }
        return error
    }

    /// Refuses what libpq cannot parse, without repeating any of it: the text may hold a password.
    private static func checkSyntax(_ conninfo: String) throws(PostgresError) {
        guard conninfo.contains("=") || conninfo.contains("://") else { return }
        var message: UnsafeMutablePointer<CChar>?
        let options = PQconninfoParse(conninfo, &message)
        if let message { PQfreemem(message) }
        defer { PQconninfoFree(options) }
        guard let options, hasPlausibleAddress(options) else {
            throw PostgresError(
                kind: .usage, attempted: "connect", message: "malformed connection string",
                hint: "Put values with blanks in single quotes; in a URI, percent-encode blanks, @, : and / in values.")
        }
    }

    /// Whether no host or port holds what only a password with an unencoded sign puts there; libpq would repeat it.
    private static func hasPlausibleAddress(_ options: UnsafeMutablePointer<PQconninfoOption>) -> Bool {
        var option = options
        while let keyword = option.pointee.keyword {
            defer { option += 1 }
            guard let value = option.pointee.val.map({ String(cString: $0) }) else { continue }
            let items = value.split(separator: ",")
            switch String(cString: keyword) {
            case "port":
                guard items.allSatisfy({ (1...65_535).contains(Int(String($0).trimmed) ?? 0) }) else { return false }
            case "host":
                // A socket may have the sign in its folder, or before its abstract name.
                guard items.allSatisfy({ $0.hasPrefix("/") || !$0.dropFirst().contains("@") }) else { return false }
            default: continue
            }
        }
        return true
    }
}
