import CCurl
import CShims
import Glibc
import Runtime

/// A request on its way; touched by the sender's thread alone once it was submitted, but for its flag.
final class HTTPTransfer: @unchecked Sendable {  // Proof: handed over under a lock, used by one thread after that.
    let request: HTTPRequest
    let policy: AddressPolicy
    private let finish: @Sendable (Result<HTTPReply, HTTPFailure>) -> Void
    /// Header lines, or a mail's recipients.
    var lines: UnsafeMutablePointer<curl_slist>?
    private var answers: UnsafeMutablePointer<curl_slist>?
    private var isBegun = false
    private var head: [UInt8] = []
    private var bodyCount = 0
    private var headerCount = 0
    private var retryAfter: String?
    private var refusal: String?
    private var isCut = false
    private let isWithdrawn = Lock(false)
    /// Of a mail: when it ends at the latest, the last reply, whether that is whole, and how much curl has taken.
    var givenUpAt = Monotonic.now()
    var reply: [UInt8] = []
    var isReplyComplete = true
    var readCount = 0
    var isBodyRead = false
    /// What a server may send before its body.
    private static let headerLimit = 65_536

    init(
        _ request: HTTPRequest, policy: AddressPolicy,
        finish: @escaping @Sendable (Result<HTTPReply, HTTPFailure>) -> Void
    ) {
        self.request = request
        self.policy = policy
        self.finish = finish
    }

    deinit {
        curl_slist_free_all(lines)
        curl_slist_free_all(answers)
    }

    /// The task that waits was cancelled.
    var isCancelled: Bool { isWithdrawn.withLock { $0 } }

    func cancel() { isWithdrawn.withLock { $0 = true } }

    func end(_ result: Result<HTTPReply, HTTPFailure>) { finish(result) }

    /// Prepares a handle; what fails here is the request's fault.
    func prepare(_ handle: UnsafeMutableRawPointer, caFile: String?) -> HTTPFailure? {
        if let fault = request.fault { return HTTPFailure(.malformed, fault) }
        guard !request.hasLineBreakInHeader else { return HTTPFailure(.malformed, "a header holds a line break") }
        let context = Unmanaged.passUnretained(self).toOpaque()
        for header in request.headers { lines = curl_slist_append(lines, "\(header.name): \(header.value)") }
        lines = curl_slist_append(lines, "Expect:")
        var codes = [
            pgvigil_curl_harden(handle),
            pgvigil_curl_set_text(handle, CURLOPT_URL, request.url),
            pgvigil_curl_set_long(
                handle, CURLOPT_CONNECTTIMEOUT_MS, Int(request.connectTimeout.millisecondsRoundedUp)),
            pgvigil_curl_set_long(handle, CURLOPT_TIMEOUT_MS, max(Int(request.timeout.millisecondsRoundedUp), 1)),
            pgvigil_curl_set_headers(handle, lines),
            pgvigil_curl_callbacks(handle, Self.onBody, Self.onHeader, Self.onAddress, Self.onStart, context),
        ]
        for answer in request.answers { answers = curl_slist_append(answers, answer) }
        if answers != nil { codes.append(pgvigil_curl_set_answers(handle, answers)) }
        if let caFile { codes.append(pgvigil_curl_set_text(handle, CURLOPT_CAINFO, caFile)) }
        if request.method != "GET" {
            codes.append(request.body.withUnsafeBytes { pgvigil_curl_set_body(handle, $0.baseAddress, $0.count) })
        }
        codes.append(pgvigil_curl_set_text(handle, CURLOPT_CUSTOMREQUEST, request.method))
        return codes.contains { $0 != CURLE_OK } ? HTTPFailure(.malformed, "the request cannot be made") : nil
    }

    /// What became of it, from a handle that is done.
    func result(of code: CURLcode, _ handle: UnsafeMutableRawPointer) -> Result<HTTPReply, HTTPFailure> {
        let status = pgvigil_curl_long(handle, CURLINFO_RESPONSE_CODE)
        guard code == CURLE_OK || isCut && status > 0 else { return .failure(failure(code, handle)) }
        return .success(reply(status, handle))
    }

    /// What came back, from a handle that is done.
    func reply(_ status: Int, _ handle: UnsafeMutableRawPointer) -> HTTPReply {
        HTTPReply(
            status: status, retryAfter: retryAfter, head: request.mail == nil ? head : reply, isCut: isCut,
            connects: pgvigil_curl_long(handle, CURLINFO_NUM_CONNECTS),
            address: pgvigil_curl_text(handle, CURLINFO_PRIMARY_IP).map { String(cString: $0) } ?? "",
            connected: Self.connected(handle), answered: Self.time(handle, CURLINFO_STARTTRANSFER_TIME_T),
            total: Self.time(handle, CURLINFO_TOTAL_TIME_T))
    }

    /// Why nothing came back, from a handle that is done.
    func failure(_ code: CURLcode, _ handle: UnsafeMutableRawPointer) -> HTTPFailure {
        let total = Self.time(handle, CURLINFO_TOTAL_TIME_T)
        if let refusal {
            return HTTPFailure(.forbiddenAddress, "the address is not to be dialled: \(refusal)", total: total)
        }
        guard code != CURLE_ABORTED_BY_CALLBACK else {
            return HTTPFailure(.broken, "the connection was closed before an answer came", total: total)
        }
        let text = String(cString: curl_easy_strerror(code))
        let message = (text.first?.lowercased() ?? "") + text.dropFirst()
        // Curl calls an answer that is no HTTP an unsupported protocol too.
        let isAnswer = code == CURLE_UNSUPPORTED_PROTOCOL && pgvigil_curl_long(handle, CURLINFO_NUM_CONNECTS) > 0
        return HTTPFailure(isAnswer ? .broken : Self.kind(of: code), message, total: total)
    }

    private static func kind(of code: CURLcode) -> HTTPFailure.Kind {
        switch code {
        case CURLE_UNSUPPORTED_PROTOCOL, CURLE_URL_MALFORMAT: .malformed
        case CURLE_COULDNT_RESOLVE_HOST, CURLE_COULDNT_RESOLVE_PROXY: .unresolved
        case CURLE_COULDNT_CONNECT: .unreachable
        case CURLE_OPERATION_TIMEDOUT: .timedOut
        case CURLE_SSL_CONNECT_ERROR, CURLE_PEER_FAILED_VERIFICATION, CURLE_SSL_CERTPROBLEM, CURLE_SSL_CIPHER,
            CURLE_SSL_CACERT_BADFILE, CURLE_SSL_ISSUER_ERROR:
            .tls
        default: .broken
        }
    }

    private static func time(_ handle: UnsafeMutableRawPointer, _ info: CURLINFO) -> Duration {
        .microseconds(pgvigil_curl_microseconds(handle, info))
    }

    private static func connected(_ handle: UnsafeMutableRawPointer) -> Duration {
        max(time(handle, CURLINFO_CONNECT_TIME_T), time(handle, CURLINFO_APPCONNECT_TIME_T))
    }

    static func of(_ context: UnsafeMutableRawPointer?) -> HTTPTransfer? {
        context.map { Unmanaged<HTTPTransfer>.fromOpaque($0).takeUnretainedValue() }
    }

    /// Keeps the first bytes, and ends the transfer where the limit is reached.
    static let onBody: pgvigil_curl_sink = { bytes, size, count, context in
        guard let transfer = of(context) else { return 0 }
        let total = size * count
        transfer.bodyCount += total
        let room = transfer.request.keptBytes - transfer.head.count
        if room > 0 { transfer.head += UnsafeRawBufferPointer(start: bytes, count: min(total, room)) }
        guard transfer.bodyCount <= transfer.request.readLimit else {
            transfer.isCut = true
            return 0
        }
        return total
    }

    static let onHeader: pgvigil_curl_sink = { bytes, size, count, context in
        guard let transfer = of(context) else { return 0 }
        transfer.headerCount += size * count
        guard transfer.headerCount <= headerLimit else { return 0 }
        guard transfer.request.mail == nil else {
            transfer.hear(UnsafeRawBufferPointer(start: bytes, count: size * count))
            return size * count
        }
        let line = String(decoding: UnsafeRawBufferPointer(start: bytes, count: min(size * count, 256)), as: UTF8.self)
        let parts = line.split(separator: ":", maxSplits: 1)
        if parts.count == 2, parts[0].lowercased() == "retry-after" {
            transfer.retryAfter = parts[1].split(whereSeparator: { $0.isWhitespace }).joined(separator: " ")
        }
        return size * count
    }

    /// Lets the request out once.
    ///
    /// Where a kept connection breaks before an answer, libcurl would send it again by
    /// itself, up to five times, though the receiver may have taken it: when to try again is for the store to say.
    static let onStart: pgvigil_curl_start = { context, _, _, _, _ in
        guard let transfer = of(context), !transfer.isBegun else { return CURL_PREREQFUNC_ABORT }
        transfer.isBegun = true
        return CURL_PREREQFUNC_OK
    }

    static let onAddress: pgvigil_curl_gate = { context, _, address in
        guard let transfer = of(context), let address else { return CURL_SOCKET_BAD }
        let refusal = withUnsafePointer(to: &address.pointee.addr) { transfer.policy.refusal(of: $0) }
        if let refusal {
            transfer.refusal = refusal
            return CURL_SOCKET_BAD
        }
        // Another of the name's addresses may be a public one.
        transfer.refusal = nil
        return socket(
            address.pointee.family, address.pointee.socktype | Int32(SOCK_CLOEXEC.rawValue),
            address.pointee.protocol)
    }
}
