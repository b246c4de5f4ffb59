/// Whom a mail is from and for, and how its server is reached; the mail itself is the request's body.
package struct MailEnvelope: Sendable, Equatable {
    /// How the way to the server is kept from others' eyes.
    package enum Security: Sendable {
        /// TLS from the first byte.
        case implicit
        /// TLS by STARTTLS, without which nothing is sent.
        case startTLS
        /// None; only where the URL says so, and never with a password.
        case none
    }

    /// The address that hears of failures.
    package var sender: String
    /// Who gets it.
    package var recipients: [String]
    /// The login, when the server wants one.
    package var user: String?
    /// Its password.
    package var password: String?
    /// TLS or not.
    package var security: Security

    /// Such an envelope.
    package init(
        sender: String, recipients: [String], user: String? = nil, password: String? = nil,
        security: Security = .startTLS
    ) {
        self.sender = sender
        self.recipients = recipients
        self.user = user
        self.password = password
        self.security = security
    }

    /// The URL by which curl knows a server, and what its scheme says of TLS; nil when it is none of mail.
    static func server(_ url: String) -> (url: String, security: Security)? {
        for (scheme, name, security) in Self.schemes where url.hasPrefix(scheme + "://") {
            return (name + url.dropFirst(scheme.count), security)
        }
        return nil
    }

    /// Why it cannot be used, in which nothing of an address is repeated; nil when it can.
    var fault: String? {
        if recipients.isEmpty { return "the channel names no recipient" }
        guard recipients.allSatisfy(Self.isAddress) else { return "the address of a recipient is malformed" }
        guard Self.isAddress(sender) else { return "the address of the sender is malformed" }
        guard security != .none || password == nil else {
            return "a password is not sent without TLS; use smtps:// or smtp://"
        }
        return nil
    }

    private static let schemes: [(String, String, Security)] = [
        ("smtps", "smtps", .implicit), ("smtp", "smtp", .startTLS), ("smtp+plain", "smtp", .none),
    ]

    /// Whether a text can stand in a command without ending it or being taken for more than an address.
    private static func isAddress(_ text: String) -> Bool {
        let bytes = Array(text.utf8)
        return bytes.allSatisfy { (33...126).contains($0) && $0 != 60 && $0 != 62 }
            && bytes.count <= 254 && (bytes.firstIndex(of: 64) ?? 0) > 0 && bytes.last != 64
    }
}
