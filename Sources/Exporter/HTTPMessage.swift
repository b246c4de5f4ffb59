/// A request as far as the routes look at it.
struct HTTPRequest: Sendable {
    /// The path without its query, as it was sent: what is escaped by % stays so.
    let path: String
    /// Whether the client takes a body packed by gzip.
    var acceptsGzip = false
    /// The form in which the client wants metrics.
    var format = ExpositionFormat.prometheus
    /// The host and port that the client asked, as it names them.
    var host: String?
    /// The Authorization header.
    var authorization: String?

    /// Reads an Accept-Encoding header: gzip is named, or anything is, and not with weight zero.
    static func acceptsGzip(header: String?) -> Bool {
        guard let header else { return false }
        var answers: [String: Bool] = [:]
        for part in header.lowercased().split(separator: ",") {
            let fields = part.split(separator: ";").map { $0.filter { !$0.isWhitespace } }
            guard let name = fields.first else { continue }
            let weight = fields.dropFirst().first { $0.hasPrefix("q=") }.flatMap { Double($0.dropFirst(2)) } ?? 1
            answers[name] = weight > 0
        }
        return answers["gzip"] ?? answers["*"] ?? false
    }
}

/// What is sent back.
struct HTTPResponse: Sendable {
    /// The bytes of a response.
    enum Body: Sendable {
        case text(String)
        /// The place is kept until the last byte is sent.
        case page(MetricsPage, packed: Bool, place: Slots.Place)
    }

    var status: UInt32
    var contentType = "text/plain; charset=utf-8"
    var headers: [(name: String, value: String)] = []
    var body: Body

    /// A short text, with a line feed added.
    static func text(_ status: UInt32, _ line: String) -> HTTPResponse {
        HTTPResponse(status: status, body: .text(line + "\n"))
    }
}
