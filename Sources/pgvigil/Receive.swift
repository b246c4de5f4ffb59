import Configuration
import Delivery
import Runtime

extension Command {
    /// `pgvigil receive`: the other end of a webhook, for trying.
    static let receive = Command(
        name: "receive",
        summary: "print signed messages that arrive, for trying",
        options: [
            .value("listen", "HOST:PORT", "where (default 127.0.0.1:9878)"), .secretFile,
            .value("count", "N", "end after so many"),
        ],
        details: [
            "Checks the signature of each message by the secret that pgvigil endpoints add",
            "printed, from --secret-file, a prompt or standard input; answers 204, or 401 to",
            "what is not signed by it, and prints a line for each. A service sends to internal",
            "addresses only when its --allow-networks says so.",
        ],
        body: { try await ReceiveCommand(invocation: $0).run() })
}

/// `pgvigil receive`.
private struct ReceiveCommand {
    let invocation: Invocation

    func run() async throws -> ExitStatus {
        let text = invocation.value("listen") ?? "127.0.0.1:9878"
        guard let address = ListenAddress(text) else {
            throw CommandFault(
                .usage, "option --listen must be HOST:PORT such as 127.0.0.1:9878", remedy: "it says \"\(text)\"")
        }
        let limit = try invocation.integer("count", in: 1...Int.max)
        let secret = try PasswordInput(
            invocation: invocation, purpose: "signatures", option: "secret-file", noun: "secret"
        ).read()
        guard let key = secret.withBytes({ WebhookSignature.Key(Array($0)) }) else {
            throw CommandFault(
                .usage, "the secret is not of the form whsec_ and base64",
                remedy: "it is what pgvigil endpoints add printed")
        }
        let count = Lock(0)
        let shutdown = invocation.shutdown
        let receiver: WebhookReceiver
        do throws(WebhookReceiver.ListenFault) {
            receiver = try WebhookReceiver(
                host: address.host, port: address.port, keys: [key], tell: { Terminal.print($0) }
            ) {
                let received = count.withLock { count in
                    count += 1
                    return count
                }
                if received == limit { shutdown.request() }
            }
        } catch {
            throw CommandFault(.portTaken, error.message, remedy: "choose another address with --listen HOST:PORT")
        }
        try receiver.start()
        Terminal.print("receiving on http://\(address.host):\(receiver.port)/; stop it with Ctrl-C")
        await shutdown.wait()
        receiver.stop()
        return .ok
    }
}
