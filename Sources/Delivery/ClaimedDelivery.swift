import Postgres

/// A message leased to this process for one attempt.
struct ClaimedDelivery: Sendable, Equatable {
    let id: Int64
    let fence: Int64
    let attempt: Int
    /// The same over all attempts: the receiver's key to tell a repetition.
    let messageID: String
    let contentType: String
    let body: String
    let destination: String
    let channel: String
    /// Where to, when that is no secret.
    let url: String?
    let sealedSecret: String?
    /// Signs beside the present one while a secret is rotated.
    let previousSealedSecret: String?
    let sealContext: String
    let timeout: Duration
    /// The address of the person it is for, or the one of the channel's whose turn it is.
    let recipient: String?
    /// PUT instead of POST, where a provider of text messages wants it.
    let method: String?
    /// How such a provider is logged in to: basic or bearer.
    let auth: String?
    /// The name of a login.
    let login: String?
    /// The address that a mail is from.
    let sender: String?

    /// Reads a row of `claim_deliveries`.
    init(row: PostgresRow) throws(PostgresError) {
        id = try row.decode("delivery_id", as: Int64.self)
        fence = try row.decode("fence", as: Int64.self)
        attempt = try row.decode("attempt", as: Int.self)
        messageID = try row.decode("message_id", as: String.self)
        contentType = try row.decode("content_type", as: String.self)
        body = try row.decode("body", as: String.self)
        destination = try row.decode("destination_id", as: String.self)
        channel = try row.decode("channel_type", as: String.self)
        url = row["url"]
        sealedSecret = row["sealed_secret"]
        previousSealedSecret = row["previous_sealed_secret"]
        sealContext = row["seal_context"] ?? ""
        timeout = .milliseconds(try row.decode("timeout_ms", as: Int64.self))
        recipient = row["recipient"]
        method = row["method"]
        auth = row["auth"]
        login = row["login"]
        sender = row["sender"]
    }
}

/// How an attempt ended.
struct DeliveryOutcome: Sendable, Equatable {
    let id: Int64
    let fence: Int64
    /// The status of the receiver's answer; nil when there was none.
    var status: Int?
    /// Why there was none.
    var errorClass: String?
    var retryAfter: String?
    /// The first bytes of the answer, as text.
    var response: String?
    var seconds = 0.0

    init(_ delivery: ClaimedDelivery) {
        id = delivery.id
        fence = delivery.fence
    }
}
