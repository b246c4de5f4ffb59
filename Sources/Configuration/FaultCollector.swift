/// Gathers the faults of one document while it is read, so that all are told together.
final class FaultCollector {
    private let source: String
    private var faults: [ConfigurationFault] = []

    init(source: String) { self.source = source }

    var isEmpty: Bool { faults.isEmpty }

    func add(_ mark: SourceMark, _ path: String, _ message: String) {
        faults.append(ConfigurationFault(source: source, mark: mark, path: path, message: message))
    }

    /// Throws the faults in the order of the file, with what `readable` makes of the rest.
    /// - Throws: `ConfigurationError` when there are any.
    func throwIfAny(readable: (([ConfigurationFault]) -> JobsFile)? = nil) throws(ConfigurationError) {
        if faults.isEmpty { return }
        let ordered = faults.enumerated().sorted { left, right in
            (left.element.mark ?? .start, left.offset) < (right.element.mark ?? .start, right.offset)
        }
        let told = ordered.map(\.element)
        throw ConfigurationError(told, readable: readable?(told))
    }
}
