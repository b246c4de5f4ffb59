import CYAML

/// Reads a YAML document into nodes through libyaml's events.
///
/// Anchors, aliases and tags are refused, as are a second document and excess of depth or number: what remains cannot
/// grow beyond the text itself.
final class YAMLReader {
    private static let maximumDepth = 32
    private static let maximumNodes = 200_000

    /// On the heap, since libyaml keeps pointers into it.
    private let parser: UnsafeMutablePointer<yaml_parser_t>
    private let text: UnsafeMutableBufferPointer<UInt8>
    private let faults: FaultCollector
    private var nodeCount = 0

    /// A fault after which nothing more can be read.
    struct Stop: Error {
        let mark: SourceMark
        let message: String
    }

    private init(_ bytes: [UInt8], faults: FaultCollector) throws(Stop) {
        self.faults = faults
        parser = .allocate(capacity: 1)
        text = .allocate(capacity: max(bytes.count, 1))
        text.initialize(repeating: 0)
        _ = text.update(from: bytes)
        guard yaml_parser_initialize(parser) == 1 else {
            // Leave something that can be deleted.
            parser.initialize(to: yaml_parser_t())
            throw Stop(mark: SourceMark(line: 1, column: 1), message: "not enough memory to read it")
        }
        yaml_parser_set_encoding(parser, YAML_UTF8_ENCODING)
        yaml_parser_set_input_string(parser, text.baseAddress, bytes.count)
    }

    deinit {
        yaml_parser_delete(parser)
        parser.deallocate()
        text.deallocate()
    }

    /// The document's root; nil when it is empty or cannot be read, which then is among the faults.
    static func read(_ bytes: [UInt8], faults: FaultCollector) -> YAMLNode? {
        do throws(Stop) {
            if let mark = UTF8Text.firstInvalid(in: bytes) { throw Stop(mark: mark, message: "not UTF-8 text") }
            return try YAMLReader(bytes, faults: faults).document()
        } catch {
            faults.add(error.mark, "", error.message)
            return nil
        }
    }

    private func document() throws(Stop) -> YAMLNode? {
        var root: YAMLNode?
        while true {
            var event = try next()
            defer { yaml_event_delete(&event) }
            switch event.type {
            case YAML_STREAM_END_EVENT: return root
            case YAML_DOCUMENT_START_EVENT where root != nil:
                throw Stop(mark: mark(event.start_mark), message: "a second document begins here, only one is allowed")
            case YAML_STREAM_START_EVENT, YAML_DOCUMENT_START_EVENT, YAML_DOCUMENT_END_EVENT: continue
            default: root = try node(event, depth: 0)
            }
        }
    }

    /// The value that begins with an event; reads on to its end.
    private func node(_ event: yaml_event_t, depth: Int) throws(Stop) -> YAMLNode {
        let place = mark(event.start_mark)
        nodeCount += 1
        if depth > Self.maximumDepth {
            throw Stop(mark: place, message: "nested deeper than \(Self.maximumDepth) levels")
        }
        if nodeCount > Self.maximumNodes { throw Stop(mark: place, message: "more than \(Self.maximumNodes) values") }
        switch event.type {
        case YAML_SCALAR_EVENT:
            let scalar = event.data.scalar
            try refuse(anchor: scalar.anchor, tag: scalar.tag, at: place)
            let content = UnsafeBufferPointer(start: scalar.value, count: scalar.length)
            let isPlain = scalar.style == YAML_PLAIN_SCALAR_STYLE
            return YAMLNode(mark: place, kind: .scalar(String(decoding: content, as: UTF8.self), isPlain: isPlain))
        case YAML_SEQUENCE_START_EVENT:
            try refuse(anchor: event.data.sequence_start.anchor, tag: event.data.sequence_start.tag, at: place)
            return YAMLNode(mark: place, kind: .sequence(try items(depth: depth + 1)))
        case YAML_MAPPING_START_EVENT:
            try refuse(anchor: event.data.mapping_start.anchor, tag: event.data.mapping_start.tag, at: place)
            return YAMLNode(mark: place, kind: .mapping(try entries(depth: depth + 1)))
        default:
            throw Stop(mark: place, message: "aliases are not supported" + Self.quoteHint)
        }
    }

    private func items(depth: Int) throws(Stop) -> [YAMLNode] {
        var items: [YAMLNode] = []
        while true {
            var event = try next()
            defer { yaml_event_delete(&event) }
            if event.type == YAML_SEQUENCE_END_EVENT { return items }
            items.append(try node(event, depth: depth))
        }
    }

    private func entries(depth: Int) throws(Stop) -> [YAMLNode.Entry] {
        var entries: [YAMLNode.Entry] = []
        var firstLines: [String: Int] = [:]
        while true {
            var event = try next()
            defer { yaml_event_delete(&event) }
            if event.type == YAML_MAPPING_END_EVENT { return entries }
            let keyNode = try node(event, depth: depth)
            guard case .scalar(let key, _) = keyNode.kind else {
                throw Stop(mark: keyNode.mark, message: "a key must be text, found \(keyNode.summary)")
            }
            var valueEvent = try next()
            defer { yaml_event_delete(&valueEvent) }
            let value = try node(valueEvent, depth: depth)
            if let line = firstLines[key] {
                faults.add(keyNode.mark, "", "duplicate key \(Quote.brief(key)), it was given in line \(line) before")
            } else {
                firstLines[key] = keyNode.mark.line
                entries.append(.init(key: key, keyMark: keyNode.mark, value: value))
            }
        }
    }

    private func next() throws(Stop) -> yaml_event_t {
        var event = yaml_event_t()
        if yaml_parser_parse(parser, &event) == 1 { return event }
        let state = parser.pointee
        var message = state.problem.map { String(cString: $0) } ?? "it cannot be read"
        if let context = state.context { message = String(cString: context) + ": " + message }
        if state.error == YAML_READER_ERROR {
            throw Stop(mark: UTF8Text.mark(at: state.problem_offset, in: text), message: message)
        }
        throw Stop(mark: mark(state.problem_mark), message: message + quoteHint(at: state.problem_mark))
    }

    private func refuse(
        anchor: UnsafeMutablePointer<yaml_char_t>?, tag: UnsafeMutablePointer<yaml_char_t>?, at place: SourceMark
    ) throws(Stop) {
        if anchor != nil { throw Stop(mark: place, message: "anchors are not supported") }
        if tag != nil { throw Stop(mark: place, message: "tags are not supported") }
    }

    /// YAML reads a bare `*` as an alias and a bare `@` as nothing at all; schedules begin with both.
    private func quoteHint(at place: yaml_mark_t) -> String {
        let near = text[max(0, min(place.index, text.count) - 1)..<min(place.index + 1, text.count)]
        return near.contains(UInt8(ascii: "*")) || near.contains(UInt8(ascii: "@")) ? Self.quoteHint : ""
    }

    private static let quoteHint = "; put quotes around a value that begins with * or @"

    private func mark(_ mark: yaml_mark_t) -> SourceMark {
        SourceMark(line: Int(mark.line) + 1, column: Int(mark.column) + 1)
    }
}
