/// One request over HTTP, or a mail over SMTP, and the bounds on what its answer may take.
package struct HTTPRequest: Sendable {
    /// Where to: http or https, for a mail smtp or smtps.
    package var url: String
    /// GET sends no body.
    package var method: String
    /// Names and values; a line break in one of them is refused, not sent.
    package var headers: [(name: String, value: String)]
    /// Sent as it is.
    package var body: [UInt8]
    /// Until there is a connection, TLS included.
    package var connectTimeout: Duration
    /// Until the whole answer was read, whatever comes in between.
    package var timeout: Duration
    /// How many bytes of the answer's body are read at most; the rest is not waited for.
    package var readLimit: Int
    /// How many of them are kept.
    package var keptBytes: Int
    /// Addresses to take for names, as `name:port:address`, instead of asking the name server.
    var answers: [String] = []
    /// Makes it a mail, whose text is the body.
    package var mail: MailEnvelope?
    /// Why it cannot be sent; nil when it can.
    var fault: String?
    /// What must not be kept of an answer that repeats it.
    var secrets: [String] = []

    /// A POST with the bounds that receivers of webhooks are held to.
    package init(
        url: String, method: String = "POST", headers: [(name: String, value: String)] = [], body: [UInt8] = [],
        connectTimeout: Duration = .seconds(5), timeout: Duration = .seconds(15), readLimit: Int = 65_536,
        keptBytes: Int = 4096
    ) {
        self.url = url
        self.method = method
        self.headers = headers
        self.body = body
        self.connectTimeout = connectTimeout
        self.timeout = timeout
        self.readLimit = readLimit
        self.keptBytes = keptBytes
    }

    /// What a header line may not hold.
    var hasLineBreakInHeader: Bool {
        headers.contains { header in
            (header.name + header.value).utf8.contains { $0 == 13 || $0 == 10 || $0 == 0 }
                || header.name.isEmpty
        }
    }
}

/// What came back.
package struct HTTPReply: Sendable, Equatable {
    /// The status of the answer.
    package var status: Int
    /// The header `Retry-After` as it was sent; nil when there was none.
    package var retryAfter: String?
    /// The first bytes of the body.
    package var head: [UInt8]
    /// Whether more was sent than is read.
    package var isCut: Bool
    /// Connections that were made for it: 0 on a reused one.
    package var connects: Int
    /// The address that was dialled.
    package var address: String
    /// Until the connection stood, TLS included.
    package var connected: Duration
    /// Until the first byte of the answer.
    package var answered: Duration
    /// Until the end.
    package var total: Duration
}

/// Why no answer came.
///
/// Its text has nothing of the URL, whose path may be a secret.
package struct HTTPFailure: Error, Sendable, Equatable, CustomStringConvertible {
    /// What went wrong.
    package enum Kind: String, Sendable, CaseIterable {
        /// The URL or a header is malformed, or the scheme is neither http nor https.
        case malformed
        /// The address may not be dialled.
        case forbiddenAddress = "forbidden_address"
        /// The host's name has no address.
        case unresolved
        /// Nobody listens there, or no way leads there.
        case unreachable
        /// It took longer than it may.
        case timedOut = "timed_out"
        /// The certificate is not to be trusted, or TLS failed otherwise.
        case tls
        /// A mail server has no TLS, and what to send it must have it.
        case noTLS = "no_tls"
        /// A mail server refuses the login.
        case login
        /// A mail server does not take the mail now.
        case deferred
        /// A mail server will never take the mail.
        case rejected
        /// The connection broke, or what came was no HTTP.
        case broken
        /// The task was cancelled.
        case cancelled
        /// The sender is closed.
        case closed
    }

    /// What went wrong.
    package internal(set) var kind: Kind
    /// One line, lower case; of a mail server, its reply.
    package internal(set) var message: String
    /// How long it took.
    package let total: Duration
    /// The code of a mail server's reply.
    package internal(set) var status: Int?

    init(_ kind: Kind, _ message: String, total: Duration = .zero) {
        self.kind = kind
        self.message = message
        self.total = total
    }

    /// The message.
    package var description: String { message }
}
