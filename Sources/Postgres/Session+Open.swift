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
        let wished = options.connectTimeout ?? configuration.connectTimeout
        var flight = Flight(
            "connect", cancellation, deadline: Monotonic.now() + min(wished, configuration.connectLimit ?? wished),
            cancelLimit: configuration.cancelLimit)
        try session.complete(&flight)
        PQsetErrorVerbosity(connection, PQERRORS_DEFAULT)
        PQsetnonblocking(connection, 1)
        options.keepAlive(socket: PQsocket(connection))
        session.becomeReady()
        return session
    }

    private static func start(_ configuration: PostgresConfiguration) -> OpaquePointer? {
        var settings: [(String, UnsafeMutablePointer<CChar>?)] = [
            ("fallback_application_name", strdup(configuration.applicationName)),
            ("dbname", strdup(configuration.conninfo)),
            ("client_encoding", strdup("UTF8")),
        ]
        // After the connection string, so that they win; libpq reads a second dbname as a plain name.
        for (name, value) in configuration.overrides { settings.append((name, strdup(value))) }
        if let password = configuration.password { settings.append(("password", Self.copy(password))) }
        let names = settings.map { strdup($0.0) } + [nil]
        let values = settings.map { $0.1 } + [nil]
        defer {
            for (_, value) in settings {
                // The connection string may hold a password too.
                if let value { SecretBytes.wipe(UnsafeMutableRawBufferPointer(start: value, count: strlen(value))) }
                free(value)
            }
            for name in names { free(name) }
        }
        return PQconnectStartParams(
            names.map { UnsafePointer($0) }, values.map { UnsafePointer($0) }, 1)
    }

    /// A C string of the password, to be wiped by the caller.
    private static func copy(_ password: SecretBytes) -> UnsafeMutablePointer<CChar>? {
        guard let copy = calloc(password.count + 1, 1) else { return nil }
        password.withBytes { copy.copyMemory(from: $0.baseAddress ?? UnsafeRawPointer(copy), byteCount: $0.count) }
        return copy.assumingMemoryBound(to: CChar.self)
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
