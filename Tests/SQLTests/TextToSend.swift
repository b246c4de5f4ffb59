/// A text that COPY asks for once.
// Unchecked: only the connection's own thread calls next(), and nobody reads the text before or after that.
final class TextToSend: @unchecked Sendable {
    private var rest: String?

    /// Begins with the whole text unsent.
    init(_ text: String) {
        rest = text
    }

    /// The text at the first call, nothing afterwards.
    func next() -> [UInt8]? {
        defer { rest = nil }
        return rest.map { Array($0.utf8) }
    }
}
