import CCurl
import CShims
import Glibc
import Runtime

extension HTTPTransfer {
    /// Hands a mail to its server, on the thread that calls: curl waits for a server's last word without letting others
    /// work meanwhile, so each mail has a thread of its own.
    func performMail(caFile: String?) {
        guard let handle = curl_easy_init() else { return end(.failure(HTTPFailure(.broken, "out of memory"))) }
        defer { curl_easy_cleanup(handle) }
        if let failure = prepareMail(handle, caFile: caFile) { return end(.failure(failure)) }
        let code = curl_easy_perform(handle)
        end(isCancelled ? .failure(HTTPFailure(.cancelled, "the request was cancelled")) : mailResult(of: code, handle))
    }

    private func prepareMail(_ handle: UnsafeMutableRawPointer, caFile: String?) -> HTTPFailure? {
        guard let mail = request.mail else { return HTTPFailure(.malformed, "it is no mail") }
        if let fault = mail.fault { return HTTPFailure(.malformed, fault) }
        // Curl's own limits do not hold for the good-bye.
        givenUpAt = Monotonic.now() + request.timeout + Self.goodbye
        let context = Unmanaged.passUnretained(self).toOpaque()
        for recipient in mail.recipients { lines = curl_slist_append(lines, "<\(recipient)>") }
        var codes = [
            pgvigil_curl_harden(handle),
            pgvigil_curl_set_text(handle, CURLOPT_PROTOCOLS_STR, "smtp,smtps"),
            pgvigil_curl_set_text(handle, CURLOPT_URL, request.url),
            pgvigil_curl_set_long(handle, CURLOPT_TIMEOUT_MS, max(Int(request.timeout.millisecondsRoundedUp), 1)),
            pgvigil_curl_set_long(handle, CURLOPT_CONNECTTIMEOUT_MS, Int(request.timeout.millisecondsRoundedUp)),
            pgvigil_curl_set_text(handle, CURLOPT_MAIL_FROM, "<\(mail.sender)>"),
            pgvigil_curl_set_long(
                handle, CURLOPT_USE_SSL,
                Int(mail.security == .startTLS ? CURLUSESSL_ALL.rawValue : CURLUSESSL_NONE.rawValue)),
            pgvigil_curl_callbacks(handle, Self.onBody, Self.onHeader, Self.onAddress, Self.onStart, context),
            pgvigil_curl_set_mail(handle, lines, Self.onRead, Self.onTick, context, request.body.count),
        ]
        if let caFile { codes.append(pgvigil_curl_set_text(handle, CURLOPT_CAINFO, caFile)) }
        if let user = mail.user, let password = mail.password {
            codes.append(pgvigil_curl_set_text(handle, CURLOPT_USERNAME, user))
            codes.append(pgvigil_curl_set_text(handle, CURLOPT_PASSWORD, password))
        }
        return codes.contains { $0 != CURLE_OK } ? HTTPFailure(.malformed, "the mail cannot be handed over") : nil
    }

    /// Keeps the last reply but the good-bye, which is waited for only a moment once the mail was taken or refused.
    func hear(_ line: UnsafeRawBufferPointer) {
        guard !line.starts(with: "221".utf8) else { return }
        if isReplyComplete { reply = [] }
        reply += line.prefix(max(0, Self.replyLimit - reply.count))
        isReplyComplete = line.count < 4 || line[3] != 45
        if isReplyComplete, isBodyRead { givenUpAt = min(givenUpAt, Monotonic.now() + Self.goodbye) }
    }

    private func mailResult(of code: CURLcode, _ handle: UnsafeMutableRawPointer) -> Result<HTTPReply, HTTPFailure> {
        let status = pgvigil_curl_long(handle, CURLINFO_RESPONSE_CODE)
        guard code != CURLE_OK else { return .success(reply(status, handle)) }
        var failure = self.failure(code, handle)
        guard failure.kind != .forbiddenAddress else { return .failure(failure) }
        switch code {
        case CURLE_USE_SSL_FAILED where !(400..<500).contains(status):
            failure.kind = .noTLS
            failure.message =
                "the server offers no STARTTLS; name it by smtps://, or by smtp+plain:// where nobody listens in"
        case CURLE_LOGIN_DENIED:
            // What it says may repeat the login.
            failure.kind = .login
            failure.message = "the server refuses the login, or offers none"
            failure.status = status >= 400 ? status : nil
        case CURLE_OPERATION_TIMEDOUT, CURLE_COULDNT_CONNECT, CURLE_COULDNT_RESOLVE_HOST:
            break
        default:
            guard (400..<600).contains(status), failure.kind != .tls else { break }
            failure.kind = status < 500 ? .deferred : .rejected
            failure.status = status
            failure.message = String(decoding: reply.filter { $0 != 0 }, as: UTF8.self)
        }
        return .failure(failure)
    }

    private static let replyLimit = 1000
    private static let goodbye = Duration.seconds(2)

    /// Gives curl the mail in pieces.
    private static let onRead: pgvigil_curl_sink = { bytes, size, count, context in
        guard let transfer = of(context), let bytes else { return Int(CURL_READFUNC_ABORT) }
        let piece = transfer.request.body[transfer.readCount...].prefix(size * count)
        piece.withUnsafeBytes { UnsafeMutableRawBufferPointer(start: bytes, count: size * count).copyMemory(from: $0) }
        transfer.readCount += piece.count
        transfer.isBodyRead = transfer.readCount == transfer.request.body.count
        return piece.count
    }

    /// Ends a transfer whose task was cancelled or whose time is over; curl asks once a second.
    private static let onTick: pgvigil_curl_tick = { context, _, _, _, _ in
        guard let transfer = of(context) else { return 1 }
        return transfer.isCancelled || Monotonic.now() > transfer.givenUpAt ? 1 : 0
    }
}
