import Glibc
import Runtime
import Testing

@testable import Delivery

/// Mails to servers that behave and to those that do not.
@Suite struct MailTests {
    private static func sender() throws -> HTTPSender {
        try HTTPSender(.init(policy: AddressPolicy(allowing: [Network(bytes: [127, 0, 0, 0], prefix: 8)])))
    }

    private static func mail(
        _ port: UInt16, _ security: MailEnvelope.Security = .none, to recipients: [String] = ["a@example.org"],
        from sender: String = "vigil@example.org", text: String = "Subject: x\r\n\r\nhello\r\n", timeout: Int64 = 20
    ) -> HTTPRequest {
        var request = HTTPRequest(
            url: "smtp://127.0.0.1:\(port)", body: Array(text.utf8), timeout: .seconds(timeout))
        request.mail = MailEnvelope(sender: sender, recipients: recipients, security: security)
        return request
    }

    private static func failure(_ sender: HTTPSender, _ request: HTTPRequest) async -> HTTPFailure? {
        do throws(HTTPFailure) {
            _ = try await sender.send(request)
            return nil
        } catch {
            return error
        }
    }

    @Test("a mail is handed over command by command, and the server's word comes back")
    func handedOver() async throws {
        let sender = try Self.sender()
        try await HostileServer.with {
            $0.speakMail()
        } _: { server in
            let reply = try await sender.send(Self.mail(server.port, text: "Subject: x\r\n\r\n.\r\n.a\r\nb\r\n"))
            #expect(reply.status == 250)
            #expect(String(decoding: reply.head, as: UTF8.self) == "250 2.0.0 taken\r\n")
            #expect(reply.address == "127.0.0.1")
            let seen = server.seen.withLock { $0 }
            #expect(seen.dropFirst().prefix(3) == ["MAIL FROM:<vigil@example.org>", "RCPT TO:<a@example.org>", "DATA"])
            #expect(seen.dropFirst(4) == ["Subject: x", "", "..", "..a", "b", ".", "QUIT"], "a dot alone ends no mail")
        }
    }

    @Test(
        "what a server refuses is for later or for ever by its code, and its words are kept within bounds",
        arguments: [
            (["": "421 4.3.2 closing\r\n"], HTTPFailure.Kind.deferred, 421, "421 4.3.2 closing"),
            (["": "554 5.7.1 not you\r\n"], .rejected, 554, "554 5.7.1 not you"),
            (["MAIL": "452 4.3.1 disk full\r\n"], .deferred, 452, "452 4.3.1 disk full"),
            (["RCPT": "450 4.2.1 greylisted\r\n"], .deferred, 450, "450 4.2.1 greylisted"),
            (["RCPT": "451-4.3.0 later\r\n451 4.3.0 much\r\n"], .deferred, 451, "451-4.3.0 later\r\n451 4.3.0 much"),
            (["RCPT": "550 5.1.1 nobody\r\n"], .rejected, 550, "550 5.1.1 nobody"),
            (["DATA": "451 4.7.1 not now\r\n"], .deferred, 451, "451 4.7.1 not now"),
            ([".": "554 5.6.0 spam\r\n"], .rejected, 554, "554 5.6.0 spam"),
        ])
    func refused(_ answers: [String: String], _ kind: HTTPFailure.Kind, _ status: Int, _ words: String) async throws {
        let sender = try Self.sender()
        try await HostileServer.with {
            $0.speakMail(answers)
        } _: { server in
            let failure = await Self.failure(sender, Self.mail(server.port))
            #expect(failure?.kind == kind)
            #expect(failure?.status == status)
            #expect(failure?.message == words + "\r\n")
        }
    }

    @Test("a server without STARTTLS gets nothing but a greeting, and what to do about it is said")
    func withoutTLS() async throws {
        let sender = try Self.sender()
        for answers in [[:], ["EHLO": "250-mail.example\r\n250 STARTTLS\r\n", "STAR": "502 no\r\n"]] {
            try await HostileServer.with {
                $0.speakMail(answers)
            } _: { server in
                let failure = await Self.failure(sender, Self.mail(server.port, .startTLS))
                #expect(failure?.kind == .noTLS)
                #expect(failure?.message.contains("smtps://") == true)
                #expect(server.seen.withLock { $0.allSatisfy { $0.hasPrefix("EHLO") || $0 == "STARTTLS" } })
            }
        }
        try await HostileServer.with { exchange in
            exchange.speakMail(["EHLO": "250-mail.example\r\n250 STARTTLS\r\n", "STAR": "454 4.7.0 later\r\n"])
        } _: { server in
            #expect(await Self.failure(sender, Self.mail(server.port, .startTLS))?.kind == .deferred)
        }
    }

    @Test("addresses that would be more than addresses are refused before a connection is made")
    func injection() async throws {
        let sender = try Self.sender()
        try await HostileServer.with {
            $0.speakMail()
        } _: { server in
            let bad = [
                "a@example.org>\r\nRCPT TO:<b@evil.example", "a@example.org\n", "a b@example.org", "a@exämple.org",
                "<a@example.org>", "a", "@", "@example.org", "a@", "",
                String(repeating: "a", count: 250) + "@b.example",
            ]
            for address in bad {
                #expect(await Self.failure(sender, Self.mail(server.port, to: [address]))?.kind == .malformed)
                #expect(await Self.failure(sender, Self.mail(server.port, from: address))?.kind == .malformed)
            }
            #expect(await Self.failure(sender, Self.mail(server.port, to: []))?.kind == .malformed)
            var open = Self.mail(server.port)
            open.mail?.password = "hunter2"
            #expect(await Self.failure(sender, open)?.kind == .malformed, "no password without TLS")
            for url in ["http://127.0.0.1:\(server.port)", "file:///etc/passwd", "pop3://127.0.0.1", ""] {
                var other = Self.mail(server.port)
                other.url = url
                #expect(await Self.failure(sender, other)?.kind == .malformed, "\(url)")
            }
            #expect(server.seen.withLock { $0.isEmpty })
        }
    }

    @Test("X-11: an internal mail server is not dialled, however it is written")
    func internalAddress() async throws {
        let sender = try HTTPSender()
        try await HostileServer.with {
            $0.speakMail()
        } _: { server in
            for host in ["127.0.0.1", "localhost", "[::1]", "2130706433", "0x7f.1", "[::ffff:127.0.0.1]", "10.0.0.1"] {
                var request = Self.mail(server.port)
                request.url = "smtp://\(host):\(server.port)"
                #expect(await Self.failure(sender, request)?.kind == .forbiddenAddress, "\(host)")
            }
            #expect(server.seen.withLock { $0.isEmpty })
        }
    }

    @Test("servers that hang, trickle or never stop talking end by their time or limit, and hold up nobody else")
    func hanging() async throws {
        let sender = try Self.sender()
        try await HostileServer.with { exchange in
            _ = exchange.line()
        } _: { silent in
            try await HostileServer.with { exchange in
                exchange.speakMail(stopAt: ".")
            } _: { mute in
                try await HostileServer.with { exchange in
                    while exchange.request() != nil { exchange.say("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n") }
                } _: { web in
                    async let first = Self.failure(sender, Self.mail(silent.port, timeout: 2))
                    async let second = Self.failure(sender, Self.mail(mute.port, timeout: 2))
                    for _ in 0..<600 where !mute.seen.withLock({ $0.contains("hello") }) {
                        try await Task.sleep(for: .milliseconds(10))
                    }
                    let start = Monotonic.now()
                    _ = try await sender.send(HTTPRequest(url: web.url))
                    // Both mails still wait for their servers.
                    #expect(Monotonic.now() - start < .milliseconds(1500))
                    #expect(await first?.kind == .timedOut)
                    #expect(await second?.kind == .timedOut)
                }
            }
        }
        try await HostileServer.with { exchange in
            while exchange.say("220-" + String(repeating: "x", count: 500) + "\r\n") {}
        } _: { server in
            #expect(await Self.failure(sender, Self.mail(server.port))?.kind == .broken)
        }
    }

    @Test("a server that took the mail and then hangs or leaves has taken it")
    func noGoodbye() async throws {
        let sender = try Self.sender()
        for stop in ["QUIT", "gone"] {
            try await HostileServer.with { exchange in
                if stop == "gone" {
                    exchange.speakMail([".": "250 taken\r\n"], leaveAfter: ".")
                } else {
                    exchange.speakMail(stopAt: stop)
                }
            } _: { server in
                let start = Monotonic.now()
                let reply = try await sender.send(Self.mail(server.port, timeout: 60))
                #expect(reply.status == 250)
                #expect(Monotonic.now() - start < .seconds(20))
            }
        }
    }

    @Test("a mail whose task is cancelled is given up")
    func cancelled() async throws {
        let sender = try Self.sender()
        try await HostileServer.with { exchange in
            _ = exchange.line()
        } _: { server in
            let outcome = try await withThrowingTaskGroup(of: HTTPFailure?.self) { group in
                group.addTask { await Self.failure(sender, Self.mail(server.port, timeout: 300)) }
                try await Task.sleep(for: .milliseconds(50))
                group.cancelAll()
                return try await group.next() ?? nil
            }
            #expect(outcome?.kind == .cancelled)
        }
    }

    @Test("what an answer repeats of the request's secrets is not kept")
    func redacted() {
        let text = DeliveryRequest.redacted(
            "401 for aHVudGVyMg== of a@example.org", ["aHVudGVyMg==", "a@example.org", ""])
        #expect(text == "401 for [withheld] of [withheld]")
    }

    @Test(
        "the scheme of a URL says how its server is reached",
        arguments: [
            ("smtp://m.example:587", "smtp://m.example:587", MailEnvelope.Security.startTLS),
            ("smtps://m.example", "smtps://m.example", .implicit),
            ("smtp+plain://m.example:25", "smtp://m.example:25", .none),
        ])
    func scheme(_ url: String, _ expected: String, _ security: MailEnvelope.Security) {
        let server = MailEnvelope.server(url)
        #expect(server?.url == expected)
        #expect(server?.security == security)
        #expect(MailEnvelope.server("https://m.example") == nil)
    }
}

extension HostileServer.Exchange {
    /// Reads a line without its end; nil when the client is gone.
    func line() -> String? {
        var bytes: [UInt8] = []
        var byte: UInt8 = 0
        while recv(socket, &byte, 1, 0) == 1 {
            if byte == 10 { return String(decoding: bytes.last == 13 ? bytes.dropLast() : bytes[...], as: UTF8.self) }
            bytes.append(byte)
        }
        return nil
    }

    /// A mail server without TLS that says what it is told to by the first four letters of a command, "" for its
    /// greeting and "." for a mail's end; it says nothing any more at `stopAt`, and goes after `leaveAfter`.
    func speakMail(_ answers: [String: String] = [:], stopAt: String? = nil, leaveAfter: String? = nil) {
        say(answers[""] ?? "220 mail.example ESMTP\r\n")
        var isText = false
        while let line = line() {
            server.seen.withLock { $0.append(line) }
            if isText, line != "." { continue }
            let verb = isText ? "." : String(line.prefix(4))
            if verb == stopAt {
                _ = self.line()
                return
            }
            let usual = [
                "EHLO": "250-mail.example\r\n250 8BITMIME\r\n", "DATA": "354 go on\r\n", ".": "250 2.0.0 taken\r\n",
                "QUIT": "221 bye\r\n",
            ]
            say(answers[verb] ?? usual[verb] ?? "250 fine\r\n")
            isText = verb == "DATA" && answers["DATA"] == nil
            if verb == "QUIT" || verb == leaveAfter { return }
        }
    }
}
