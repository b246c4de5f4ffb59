import Runtime
import Secrets

/// Makes the request of an attempt: opens what is sealed, signs, and puts secrets where the channel wants them.
///
/// What is sent is decided by SQL; here it only becomes HTTP or SMTP.
struct DeliveryRequest {
    /// What a body holds where the channel's secret belongs.
    static let placeholder = "{{secret}}"

    private let secrets: SecretOpener
    private let userAgent: String

    init(secrets: SecretOpener, userAgent: String) {
        self.secrets = secrets
        self.userAgent = userAgent
    }

    /// The request, with `timestamp` as the attempt's time in seconds since 1970.
    ///
    /// - Throws: a secret that cannot be opened, or is not of the channel's form.
    func make(for delivery: ClaimedDelivery, timestamp: Int64) throws(SecretFault) -> HTTPRequest {
        var request = HTTPRequest(url: delivery.url ?? "", timeout: delivery.timeout)
        request.headers = [("Content-Type", delivery.contentType), ("User-Agent", userAgent)]
        request.body = Array(delivery.body.utf8)
        switch delivery.channel {
        case "webhook":
            request.headers += WebhookSignature.headers(
                id: delivery.messageID, timestamp: timestamp, body: request.body, keys: try keys(of: delivery))
        case "slack", "teams":
            request.url = try text(delivery.sealedSecret, delivery) ?? request.url
            let parts = request.url.split(separator: "/", maxSplits: 3, omittingEmptySubsequences: false)
            request.secrets = [request.url, parts.count == 4 ? String(parts[3]) : ""]
        case "pagerduty":
            let key = try text(delivery.sealedSecret, delivery) ?? ""
            request.body = Array(Self.replace(Self.placeholder, by: Self.escaped(key), in: delivery.body).utf8)
            request.secrets = [key]
        case "email":
            try address(&request, delivery)
        case "sms":
            request.method = delivery.method ?? "POST"
            if delivery.recipient == nil { request.fault = "the channel names no recipient" }
            if let secret = try text(delivery.sealedSecret, delivery) {
                if delivery.auth == "basic" {
                    logIn(&request, "\(delivery.login ?? ""):\(secret)", secret)
                } else {
                    request.headers.append(("Authorization", "Bearer " + secret))
                    request.secrets = [secret]
                }
            }
        default:
            if let login = try text(delivery.sealedSecret, delivery) {
                logIn(&request, login, String(login.drop { $0 != ":" }.dropFirst()))
            }
        }
        return request
    }

    /// The way of a mail: the server by its scheme, the login by the channel's secret.
    private func address(_ request: inout HTTPRequest, _ delivery: ClaimedDelivery) throws(SecretFault) {
        let server = MailEnvelope.server(request.url)
        request.url = server?.url ?? ""
        request.headers = []
        let password = try text(delivery.sealedSecret, delivery)
        request.mail = MailEnvelope(
            sender: delivery.sender ?? "", recipients: delivery.recipient.map { [$0] } ?? [], user: delivery.login,
            password: password, security: server?.security ?? .startTLS)
        request.secrets = request.mail?.recipients ?? []
        guard let password else { return }
        let user = delivery.login ?? ""
        let forms = [password, user + "\0" + user + "\0" + password, "\0" + user + "\0" + password]
        request.secrets += forms.map { WebhookSignature.base64(Array($0.utf8)) } + [password]
    }

    /// A login by name and password.
    private func logIn(_ request: inout HTTPRequest, _ login: String, _ password: String) {
        let encoded = WebhookSignature.base64(Array(login.utf8))
        request.headers.append(("Authorization", "Basic " + encoded))
        request.secrets = [encoded, password]
    }

    /// What may be kept of an answer: not what the request had of secrets.
    static func redacted(_ text: String, _ secrets: [String]) -> String {
        secrets.filter { !$0.isEmpty }.reduce(text) { replace($1, by: "[withheld]", in: $0) }
    }

    private func keys(of delivery: ClaimedDelivery) throws(SecretFault) -> [WebhookSignature.Key] {
        var keys: [WebhookSignature.Key] = []
        for sealed in [delivery.sealedSecret, delivery.previousSealedSecret] {
            guard let sealed else { continue }
            let secret = try secrets.open(sealed, context: delivery.sealContext)
            guard let key = secret.withBytes({ WebhookSignature.Key(Array($0)) }) else {
                throw SecretFault(
                    .malformedSecret, "a signing secret is not of the form whsec_ and base64 of 24 to 64 bytes",
                    remedy: "pgvigil endpoints rotate-secret makes a new one")
            }
            keys.append(key)
        }
        return keys
    }

    private func text(_ sealed: String?, _ delivery: ClaimedDelivery) throws(SecretFault) -> String? {
        guard let sealed else { return nil }
        return try secrets.open(sealed, context: delivery.sealContext).withBytes { String(decoding: $0, as: UTF8.self) }
    }

    /// A text as it stands between the quotes of JSON.
    private static func escaped(_ text: String) -> String {
        String(decoding: JSONLine.quoted(text, limit: .max).dropFirst().dropLast(), as: UTF8.self)
    }

    private static func replace(_ word: String, by other: String, in text: String) -> String {
        text.split(separator: word, omittingEmptySubsequences: false).joined(separator: other)
    }
}
