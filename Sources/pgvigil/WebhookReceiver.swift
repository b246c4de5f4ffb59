import Delivery
import Glibc
import Runtime

/// A small HTTP server that takes signed webhooks and tells a line about each: for trying and for demonstrations.
///
/// A thread for each connection, of which there are few; bounds on time, headers and bodies.
final class WebhookReceiver: Sendable {
    /// Nobody can listen there.
    struct ListenFault: Error {
        let message: String
    }

    private static let longestHead = 16_384
    private static let longestBody = 1_048_576
    private static let mostConnections = 32
    /// Ids that are remembered, to tell what comes again.
    private static let mostIDs = 10_000

    private struct State {
        var connections = 0
        var seen: Set<String> = []
    }

    /// Where it listens.
    let port: UInt16
    private let listener: Int32
    private let keys: [WebhookSignature.Key]
    private let tell: @Sendable (String) -> Void
    private let answered: @Sendable () -> Void
    private let state = Lock(State())

    /// Listens on an address of IPv4; a port of 0 lets the system choose.
    ///
    /// `tell` gets a line about each message before that is answered, `answered` is called when it was.
    init(
        host: String, port: UInt16, keys: [WebhookSignature.Key], tell: @escaping @Sendable (String) -> Void,
        answered: @escaping @Sendable () -> Void = {}
    ) throws(ListenFault) {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        guard inet_pton(AF_INET, host == "localhost" ? "127.0.0.1" : host, &address.sin_addr) == 1 else {
            throw ListenFault(message: "\"\(host)\" is no IPv4 address")
        }
        let listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        var yes: Int32 = 1
        setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, socklen_t(MemoryLayout<Int32>.size))
        var size = socklen_t(MemoryLayout<sockaddr_in>.size)
        let isBound = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { raw in
                bind(listener, raw, size) == 0 && listen(listener, 64) == 0 && getsockname(listener, raw, &size) == 0
            }
        }
        guard isBound else {
            let reason = String(cString: strerror(errno))
            if listener >= 0 { close(listener) }
            throw ListenFault(message: "cannot listen on \(host):\(port): \(reason)")
        }
        self.port = UInt16(bigEndian: address.sin_port)
        self.listener = listener
        self.keys = keys
        self.tell = tell
        self.answered = answered
    }

    /// Takes connections from now on, on a thread of its own, until `stop`.
    ///
    /// - Throws: when the machine gives no thread.
    func start() throws(OSThread.StartFailure) {
        try OSThread.start(name: "receiver") {
            while let socket = self.accept() { self.take(socket) }
            close(self.listener)
        }
    }

    /// Takes no more connections.
    func stop() { shutdown(listener, Int32(SHUT_RDWR)) }

    private func accept() -> Int32? {
        while true {
            let socket = Glibc.accept(listener, nil, nil)
            if socket >= 0 { return socket }
            guard [EINTR, ECONNABORTED, EMFILE, ENFILE].contains(errno) else { return nil }
            usleep(10_000)
        }
    }

    private func take(_ socket: Int32) {
        let hasRoom = state.withLock { state in
            guard state.connections < Self.mostConnections else { return false }
            state.connections += 1
            return true
        }
        var limit = timeval(tv_sec: 60, tv_usec: 0)
        setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
        setsockopt(socket, SOL_SOCKET, SO_SNDTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
        guard hasRoom else {
            close(socket)
            return
        }
        do throws(OSThread.StartFailure) {
            try OSThread.start(name: "received") { self.converse(socket) }
        } catch {
            leave(socket)
        }
    }

    private func leave(_ socket: Int32) {
        close(socket)
        state.withLock { $0.connections -= 1 }
    }

    /// Answers one request after the other.
    private func converse(_ socket: Int32) {
        defer { leave(socket) }
        var unread: [UInt8] = []
        while let message = Self.read(from: socket, &unread) {
            let (status, line) = judge(message)
            // Before the answer, so that lines come in the order of what a client sends one after the other.
            if let line { tell(line) }
            let isAnswered = Self.write("HTTP/1.1 \(status)\r\nContent-Length: 0\r\n\r\n", to: socket)
            if line != nil { answered() }
            guard isAnswered else { return }
        }
    }

    /// The status that answers a message, and the line that tells of it.
    private func judge(_ message: ReceivedMessage) -> (status: String, line: String?) {
        guard message.method == "POST" else { return ("405 Method Not Allowed", nil) }
        let id = message.header("webhook-id") ?? ""
        let isSigned = WebhookSignature.isValid(
            id: id, timestamp: message.header("webhook-timestamp") ?? "",
            signature: message.header("webhook-signature") ?? "", body: message.body, keys: keys, now: Int64(time(nil)))
        let isNew = state.withLock { state in
            guard isSigned else { return true }
            if state.seen.count >= Self.mostIDs { state.seen.removeAll() }
            return state.seen.insert(id).inserted
        }
        let verdict = isSigned ? "signature verified" : "SIGNATURE WRONG: refused"
        return (
            isSigned ? "204 No Content" : "401 Unauthorized",
            "\(message.summary)  (\(verdict)\(isNew ? "" : ", again"), \(id.isEmpty ? "no id" : id))"
        )
    }

    // MARK: Bytes

    private static func read(from socket: Int32, _ unread: inout [UInt8]) -> ReceivedMessage? {
        var hasContinued = false
        while true {
            if let end = headEnd(unread) {
                guard var message = ReceivedMessage(head: unread[..<end]) else { return nil }
                let length = Int(message.header("content-length") ?? "0") ?? -1
                guard (0...longestBody).contains(length) else { return nil }
                if message.header("expect") != nil, !hasContinued {
                    hasContinued = true
                    guard write("HTTP/1.1 100 Continue\r\n\r\n", to: socket) else { return nil }
                }
                if unread.count >= end + 4 + length {
                    message.body = Array(unread[(end + 4)..<(end + 4 + length)])
                    unread.removeFirst(end + 4 + length)
                    return message
                }
            } else if unread.count > longestHead {
                return nil
            }
            var chunk = [UInt8](repeating: 0, count: 65_536)
            let count = recv(socket, &chunk, chunk.count, 0)
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { return nil }
            unread += chunk[..<count]
        }
    }

    /// Where the empty line begins that ends the headers.
    private static func headEnd(_ bytes: [UInt8]) -> Int? {
        guard bytes.count >= 4 else { return nil }
        return (0...(bytes.count - 4)).first {
            bytes[$0] == 13 && bytes[$0 + 1] == 10 && bytes[$0 + 2] == 13 && bytes[$0 + 3] == 10
        }
    }

    private static func write(_ text: String, to socket: Int32) -> Bool {
        let bytes = Array(text.utf8)
        return send(socket, bytes, bytes.count, Int32(MSG_NOSIGNAL)) == bytes.count
    }
}

/// A request with a message in it.
struct ReceivedMessage {
    let method: String
    private let headers: [String: String]
    var body: [UInt8] = []

    /// Reads the first line and the headers; nil when that is no HTTP.
    init?(head: ArraySlice<UInt8>) {
        let lines = String(decoding: head, as: UTF8.self).split(separator: "\r\n")
        let words = lines.first?.split(separator: " ") ?? []
        guard words.count == 3, words[2].hasPrefix("HTTP/1.") else { return nil }
        method = String(words[0])
        var headers: [String: String] = [:]
        for line in lines.dropFirst() {
            guard let colon = line.firstIndex(of: ":") else { return nil }
            headers[line[..<colon].lowercased()] =
                line[line.index(after: colon)...]
                .drop { $0 == " " || $0 == "\t" }.description
        }
        self.headers = headers
    }

    /// A header's value, by its name in lower case.
    func header(_ name: String) -> String? { headers[name] }

    /// What kind of message it is, how grave, and the first title in it; of what others send, its begin.
    var summary: String {
        let text = String(decoding: body, as: UTF8.self)
        // The type stands behind the data, which may have one too.
        guard let type = Self.value("type", in: text, isLast: true) else { return Self.plain(text.prefix(120)) }
        let words = [type, Self.value("severity", in: text), Self.value("title", in: text)]
        return Self.plain(words.compactMap { $0 }.joined(separator: "  ").prefix(200))
    }

    /// The text behind a key in JSON, such as it stands there but for escaped quotes; a look, not a reading.
    private static func value(_ key: String, in text: String, isLast: Bool = false) -> String? {
        let parts = text.split(separator: "\"\(key)\": \"", omittingEmptySubsequences: false).dropFirst()
        guard let rest = isLast ? parts.last : parts.first else { return nil }
        var value = ""
        var isEscaped = false
        for character in rest {
            if character == "\"", !isEscaped { return value }
            isEscaped = character == "\\" && !isEscaped
            if !isEscaped { value.append(character) }
        }
        return nil
    }

    /// Without anything that a terminal would obey.
    private static func plain(_ text: some StringProtocol) -> String {
        String(text.unicodeScalars.map { $0.properties.generalCategory == .control ? " " : Character($0) })
    }
}
