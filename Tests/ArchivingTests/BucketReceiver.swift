import CCrypto
import Glibc
import Runtime

/// A bucket on a free port of the loopback address, which checks the signature of every request by its own reckoning.
final class BucketReceiver: Sendable {
    /// What it keeps, by path.
    let objects = Lock<[String: [UInt8]]>([:])
    /// When each was written, by path, where it was not just now.
    let times = Lock<[String: String]>([:])
    /// What it does wrong from now on.
    let mischief = Lock(Mischief.none)
    /// Requests that were refused, with the reason.
    let refusals = Lock<[String]>([])
    let port: UInt16
    /// What a bucket may do wrong.
    enum Mischief: Sendable {
        case none
        /// Answers so.
        case status(Int, String)
        /// Says nothing until it is stopped.
        case silence
        /// Sends half of what it announced.
        case half
    }

    private let listener: Int32
    private let isStopped = Lock(false)
    private let accessKey: String
    private let secretKey: String
    private let region: String

    init(accessKey: String, secretKey: String, region: String) throws {
        (self.accessKey, self.secretKey, self.region) = (accessKey, secretKey, region)
        listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        var size = socklen_t(MemoryLayout<sockaddr_in>.size)
        let listener = listener
        let isBound = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { raw in
                bind(listener, raw, size) == 0 && listen(listener, 16) == 0 && getsockname(listener, raw, &size) == 0
            }
        }
        guard isBound else { throw TestFolder.Problem(description: "cannot listen") }
        port = UInt16(bigEndian: address.sin_port)
        try OSThread.start(name: "bucket") { [weak self] in
            while true {
                let client = accept(listener, nil, nil)
                guard client >= 0 else { return }
                self?.serve(client)
                close(client)
            }
        }
    }

    deinit { stop() }

    /// Nobody is answered any more.
    func stop() {
        let isFirst = isStopped.withLock { stopped in
            defer { stopped = true }
            return !stopped
        }
        guard isFirst else { return }
        shutdown(listener, Int32(SHUT_RDWR))
        close(listener)
    }

    private func serve(_ client: Int32) {
        guard let (head, body) = Self.request(client) else { return }
        let lines = head.split(separator: "\r\n")
        let words = lines.first.map { $0.split(separator: " ").map { String($0) } } ?? []
        guard words.count == 3 else { return }
        var headers: [String: String] = [:]
        for line in lines.dropFirst() {
            let parts = line.split(separator: ":", maxSplits: 1)
            if parts.count == 2 { headers[parts[0].lowercased()] = String(parts[1].drop { $0 == " " }) }
        }
        if let fault = fault(words[0], words[1], headers, body) {
            refusals.withLock { $0.append("\(words[0]) \(words[1]): \(fault)") }
            return Self.say(client, 403, Array("<Error><Code>\(fault)</Code></Error>".utf8))
        }
        switch mischief.withLock({ $0 }) {
        case .none: answer(client, words[0], words[1], body)
        case .status(let status, let code): Self.say(client, status, Array("<Error><Code>\(code)</Code></Error>".utf8))
        case .silence:
            while !isStopped.withLock({ $0 }), case .silence = mischief.withLock({ $0 }) { usleep(20_000) }
        case .half: Self.say(client, 200, objects.withLock { $0[words[1]] } ?? [], isHalf: true)
        }
    }

    private func answer(_ client: Int32, _ method: String, _ path: String, _ body: [UInt8]) {
        let words = [method, path]
        switch method {
        case "GET" where path.contains("?"): Self.say(client, 200, Array(page(path).utf8))
        case "PUT":
            objects.withLock { $0[words[1]] = body }
            Self.say(client, 200, [])
        case "DELETE":
            objects.withLock { $0[words[1]] = nil }
            Self.say(client, 204, [])
        default:
            let found = objects.withLock { $0[words[1]] }
            Self.say(client, found == nil ? 404 : 200, found ?? Array("<Error><Code>NoSuchKey</Code></Error>".utf8))
        }
    }

    /// Two names at a time, as ListObjectsV2 tells them; one stands there that is not ours.
    private func page(_ path: String) -> String {
        var query: [String: String] = [:]
        for part in path.split(separator: "?")[1].split(separator: "&") {
            let pair = part.split(separator: "=", omittingEmptySubsequences: false)
            query[String(pair[0])] = pair.count > 1 ? String(pair[1]) : ""
        }
        let bucket = String(path.prefix { $0 != "?" })
        let prefix = (query["prefix"] ?? "").split(separator: "%2F", omittingEmptySubsequences: false)
            .joined(separator: "/")
        let stored = objects.withLock { $0.keys.sorted() }
        let start = query["continuation-token"].flatMap { Int($0) } ?? 0
        let names = stored.filter { $0.hasPrefix(bucket + prefix) }.dropFirst(start)
        let entries = names.prefix(2).map { name in
            let key = name.dropFirst(bucket.count).split(separator: "%20", omittingEmptySubsequences: false)
                .joined(separator: "&#x20;")
            let time = times.withLock { $0[name] } ?? "2100-01-01T00:00:00.000Z"
            return "<Contents><Key>\(key)</Key><LastModified>\(time)</LastModified><Size>1</Size></Contents>"
        }
        let next = names.count > 2 ? "<NextContinuationToken>\(start + 2)</NextContinuationToken>" : ""
        return "<?xml version=\"1.0\"?><ListBucketResult><IsTruncated>\(names.count > 2)</IsTruncated>"
            + entries.joined() + next + "</ListBucketResult>"
    }

    /// What is wrong with a request; nil for nothing.
    private func fault(_ method: String, _ path: String, _ headers: [String: String], _ body: [UInt8]) -> String? {
        guard headers["x-amz-content-sha256"] == Self.hex(Self.sha256(body)) else { return "BadDigest" }
        guard let time = headers["x-amz-date"], time.count == 16 else { return "AccessDenied" }
        let day = String(time.prefix(8))
        let names = ["host", "x-amz-content-sha256", "x-amz-date"]
        let target = path.split(separator: "?", maxSplits: 1)
        let canonical =
            "\(method)\n\(target[0])\n\(target.count > 1 ? target[1] : "")\n"
            + names.map { "\($0):\(headers[$0] ?? "")\n" }.joined()
            + "\n\(names.joined(separator: ";"))\n\(headers["x-amz-content-sha256"] ?? "")"
        let scope = "\(day)/\(region)/s3/aws4_request"
        let text = "AWS4-HMAC-SHA256\n\(time)\n\(scope)\n\(Self.hex(Self.sha256(Array(canonical.utf8))))"
        var key = Array("AWS4\(secretKey)".utf8)
        for word in [day, region, "s3", "aws4_request", text] { key = Self.hmac(key, Array(word.utf8)) }
        let expected =
            "AWS4-HMAC-SHA256 Credential=\(accessKey)/\(scope),SignedHeaders=\(names.joined(separator: ";")),"
            + "Signature=\(Self.hex(key))"
        return headers["authorization"] == expected ? nil : "SignatureDoesNotMatch"
    }

    private static func request(_ client: Int32) -> (String, [UInt8])? {
        var bytes: [UInt8] = []
        var part = [UInt8](repeating: 0, count: 65_536)
        while true {
            if let end = bytes.firstRange(of: Array("\r\n\r\n".utf8)) {
                let head = String(decoding: bytes[..<end.lowerBound], as: UTF8.self)
                let length =
                    head.split(separator: "\r\n").first { $0.lowercased().hasPrefix("content-length:") }
                    .flatMap { $0.split(separator: " ").last.flatMap { Int($0) } } ?? 0
                if bytes.count - end.upperBound >= length { return (head, Array(bytes[end.upperBound...])) }
            }
            let count = recv(client, &part, part.count, 0)
            guard count > 0 else { return nil }
            bytes += part[..<count]
        }
    }

    private static func say(_ client: Int32, _ status: Int, _ body: [UInt8], isHalf: Bool = false) {
        let head =
            "HTTP/1.1 \(status) x\r\nContent-Length: \(status == 204 ? 0 : body.count)\r\nConnection: close\r\n\r\n"
        var rest = (Array(head.utf8) + (isHalf ? body.prefix(body.count / 2) : body[...]))[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { send(client, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
            guard count > 0 else { return }
            rest = rest.dropFirst(count)
        }
    }

    private static func sha256(_ bytes: [UInt8]) -> [UInt8] {
        var digest = [UInt8](repeating: 0, count: 32)
        CCrypto.SHA256(bytes, bytes.count, &digest)
        return digest
    }

    private static func hmac(_ key: [UInt8], _ bytes: [UInt8]) -> [UInt8] {
        var digest = [UInt8](repeating: 0, count: 32)
        var count: UInt32 = 32
        _ = HMAC(EVP_sha256(), key, Int32(key.count), bytes, bytes.count, &digest, &count)
        return digest
    }

    private static func hex(_ bytes: [UInt8]) -> String {
        bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    }
}
