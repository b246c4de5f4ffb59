/// The two forms in which a page of metrics is written.
enum ExpositionFormat: String, Sendable, CaseIterable {
    /// The Prometheus text format 0.0.4.
    case prometheus
    /// OpenMetrics 1.0.
    case openmetrics

    /// The value of Content-Type.
    var contentType: String {
        switch self {
        case .prometheus: "text/plain; version=0.0.4; charset=utf-8"
        case .openmetrics: "application/openmetrics-text; version=1.0.0; charset=utf-8"
        }
    }

    /// What comes after the last family.
    var ending: String { self == .openmetrics ? "# EOF\n" : "" }

    /// What an Accept header asks for: OpenMetrics is given only to who names it, and likes the text format no better.
    static func negotiated(accept: String?) -> ExpositionFormat {
        guard let accept else { return .prometheus }
        var (named, text, texts, any): (Double?, Double?, Double?, Double?)
        for part in accept.lowercased().split(separator: ",") {
            let fields = part.split(separator: ";").map { $0.filter { !$0.isWhitespace } }
            guard let range = fields.first else { continue }
            let parameters = fields.dropFirst()
            let quality = parameters.first { $0.hasPrefix("q=") }.flatMap { Double($0.dropFirst(2)) } ?? 1
            let version = parameters.first { $0.hasPrefix("version=") }.map { $0.dropFirst(8).filter { $0 != "\"" } }
            switch range {
            case "application/openmetrics-text" where version == nil || version == "1.0.0":
                named = max(named ?? 0, quality)
            case "text/plain" where version == nil || version == "0.0.4": text = max(text ?? 0, quality)
            case "text/*": texts = max(texts ?? 0, quality)
            case "*/*": any = max(any ?? 0, quality)
            default: break
            }
        }
        guard let named, named > 0 else { return .prometheus }
        return named >= text ?? texts ?? any ?? 0 ? .openmetrics : .prometheus
    }
}
