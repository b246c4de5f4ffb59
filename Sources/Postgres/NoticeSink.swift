import CLibPQ

/// Receives the server's notices on the connection's thread, so that libpq never writes to standard error.
final class NoticeSink {
    /// The server's last word to an idle session, such as `57P01`; libpq hands it over as a notice.
    private(set) var lastFatal: PostgresError?

    private let onNotice: (@Sendable (PostgresNotice) -> Void)?

    init(onNotice: (@Sendable (PostgresNotice) -> Void)?) { self.onNotice = onNotice }

    /// Installs the receiver; the sink must live as long as the connection.
    func install(in connection: OpaquePointer) {
        PQsetNoticeReceiver(
            connection,
            { context, result in
                guard let context, let result else { return }
                Unmanaged<NoticeSink>.fromOpaque(context).takeUnretainedValue().receive(result)
            }, Unmanaged.passUnretained(self).toOpaque())
    }

    private func receive(_ result: OpaquePointer) {
        let severity = ResultSet.field(.severity, of: result) ?? ""
        let sqlState = ResultSet.field(.sqlState, of: result) ?? ""
        let message = ResultSet.field(.message, of: result) ?? ""
        if severity == "FATAL" || severity == "PANIC" {
            lastFatal = PostgresError(
                kind: .server, attempted: "wait", sqlState: sqlState, message: message, isConnectionLost: true)
        } else {
            onNotice?(PostgresNotice(severity: severity, sqlState: sqlState, message: message))
        }
    }
}
