import Configuration
import Delivery
import Postgres
import Runtime
import Secrets

/// What `serve --embedded --demo` adds: a receiver that prints what arrives, and a problem that becomes an alert.
///
/// The problem is a real one, in the private database: a session of its own that began a transaction and forgot it.
struct Demo: Sendable {
    private let receiver: WebhookReceiver
    private let session: PostgresConnection

    /// Its only receiver, the same at each start.
    private static let endpoint = "00000000-0000-4000-8000-00000000de30"

    /// Starts the receiver, names it in the database, and plants the problem.
    ///
    /// - Throws: `CommandFault`, or what the database says.
    static func start(at address: ListenAddress, conninfo: String, keys: KeyRing) async throws -> Demo {
        let text = "whsec_\(try SealingKey.generate().text)"
        guard let key = WebhookSignature.Key(text.utf8) else {
            throw CommandFault(.failed, "the secret that was made is none")
        }
        let receiver: WebhookReceiver
        do throws(WebhookReceiver.ListenFault) {
            receiver = try WebhookReceiver(host: address.host, port: address.port, keys: [key]) {
                Terminal.print("received: \($0)")
            }
        } catch {
            throw CommandFault(.portTaken, error.message, remedy: "choose another address with --demo HOST:PORT")
        }
        try receiver.start()
        let url = "http://\(address.host):\(receiver.port)/"
        let admin = try await PostgresConnection.connect(
            PostgresConfiguration(conninfo: conninfo, applicationName: "pgvigil demo"))
        let context = try await admin.query(
            "select monitoring_internal.endpoint_seal_context($1::uuid, $2)", [endpoint, url]
        ).scalar
        let sealed = try keys.seal(SecretBytes(Array(text.utf8)), context: context ?? "")
        _ = try await admin.query(
            "select monitoring_internal.prepare_demo($1::uuid, $2, $3)", [endpoint, url, sealed])
        await admin.close()
        let session = try await PostgresConnection.connect(
            PostgresConfiguration(conninfo: conninfo, applicationName: "demo shop"))
        try await session.execute("begin; select count(*) from pg_class")
        Terminal.print("demo: a receiver of signed messages listens on \(url)")
        Terminal.print("demo: planted a problem, a transaction that is begun and forgotten; what follows from it is")
        Terminal.print(
            "demo: measured, judged, signed and sent to the receiver: look for \"received:\" within a minute")
        return Demo(receiver: receiver, session: session)
    }

    /// Ends the problem and the receiver.
    func stop() async {
        await session.close()
        receiver.stop()
    }
}
