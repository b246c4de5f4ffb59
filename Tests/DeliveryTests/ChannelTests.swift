import EmbeddedPostgres
import Glibc
import Postgres
import Runtime
import Secrets
import Testing

@testable import Delivery
@testable import TestSupport

/// Messages of the store on their way by each kind of channel, to receivers that share no code with us where there are.
@Suite struct ChannelTests {
    /// A mail server: aiosmtpd, and Python's own parser of mails.
    private static func withMailServer(
        _ mode: String, password: String, _ body: (_ port: String, _ folder: ScratchFolder) async throws -> Void
    ) async throws {
        let folder = try ScratchFolder()
        let made = try await ChildProcess.run(
            [
                "/usr/bin/openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj",
                "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-keyout", "\(folder.path)/key", "-out",
                "\(folder.path)/certificate",
            ], environment: ProcessEnvironment.variables())
        try #require(made.isSuccess, "\(made.output)")
        let script = #filePath.split(separator: "/").dropLast(2).joined(separator: "/")
        let server = try ChildProcess(
            [
                "/usr/bin/python3", "-W", "ignore", "/\(script)/reference/mail_server.py", mode,
                "\(folder.path)/certificate", "\(folder.path)/key", "vigil", password, folder.path,
            ], environment: ["PYTHONUTF8": "1"], output: .null, errors: .file("\(folder.path)/log"))
        let result = await Result { try await body(try await folder.wait(for: "port"), folder) }
        server.signal(SIGKILL)
        _ = await server.wait()
        try result.get()
    }

    @Test("a mail reaches each recipient by STARTTLS and login, is whole to a real parser, and its end answers it")
    func mail() async throws {
        try await ChannelBench.with { bench in
            try await Self.withMailServer("starttls", password: "hunter2!") { port, folder in
                let id = try await bench.addChannel(
                    "desk", "email", "smtp://localhost:\(port)", secret: "hunter2!",
                    #"{"from": "vigil@example.org", "to": ["a@example.org", "b@example.org"], "user": "vigil"}"#)
                try await bench.serving(caFile: "\(folder.path)/certificate") {
                    let title = "dïsk <full> & 🚨\r\nBcc: evil@example.org"
                    let first = try await bench.tell(id, try await bench.event("firing", title: title))
                    try await bench.untilEmpty()
                    _ = try await bench.tell(
                        id, try await bench.event("resolved", title: title, resolved: true), after: first)
                    try await bench.untilEmpty()
                }
                var mails: [String] = []
                for number in 1...4 { mails.append(try await folder.wait(for: "mail-\(number)")) }
                let ids = mails.map { mail in mail.split(separator: "\n").first { $0.hasPrefix("header Message-ID") } }
                #expect(Set(ids[..<2]).count == 1 && Set(ids[2...]).count == 1 && ids[0] != ids[2])
                #expect(
                    Set(mails[..<2].map { $0.split(separator: "\n").first { $0.hasPrefix("to: ") } })
                        == ["to: a@example.org", "to: b@example.org"])
                for mail in mails {
                    #expect(mail.contains("from: vigil@example.org\n"))
                    #expect(mail.contains("tls: True\nauthenticated: True\ndefects: 0\n"))
                    #expect(!mail.contains("header Bcc"))
                    #expect(mail.contains("header To: a@example.org, b@example.org\n"))
                    #expect(mail.contains("header Auto-Submitted: auto-generated\n"))
                    #expect(mail.contains(": dïsk <full> & 🚨 Bcc: evil@example.org\n"), "the subject, in one line")
                    #expect(mail.contains("part text/plain\n") && mail.contains("  5 % left"))
                    #expect(mail.contains("part text/html\n") && mail.contains("dïsk &lt;full&gt; &amp; 🚨"))
                }
                let first = ids[0]?.dropFirst("header Message-ID: ".count) ?? "none"
                #expect(mails[2].contains("header In-Reply-To: \(first)\n"))
                #expect(mails[2].contains(" \(first)\n"), "References ends with it")
            }
        }
    }

    @Test("X-09: a refused login keeps the mail for later and neither the password nor an address anywhere")
    func refusedLogin() async throws {
        try await ChannelBench.with { bench in
            try await Self.withMailServer("tls", password: "another") { port, folder in
                let id = try await bench.addChannel(
                    "desk", "email", "smtps://localhost:\(port)", secret: "hunter2!",
                    #"{"from": "vigil@example.org", "to": ["a@example.org"], "user": "vigil"}"#)
                try await bench.serving(caFile: "\(folder.path)/certificate") {
                    _ = try await bench.tell(id, try await bench.event("firing", title: "disk"))
                    try await bench.until(
                        "the login was not refused",
                        "select exists (select from monitoring.delivery_attempts where error_class = 'login')")
                }
                let kept = try await bench.admin.query(
                    """
                    select concat(status_code, ' ', response, ' ',
                        (select state from monitoring.deliveries)) from monitoring.delivery_attempts
                    """)
                #expect(kept.scalar == "535 the server refuses the login, or offers none failed")
                #expect(folder.read("mail-1") == nil)
                let found = try await bench.admin.query(
                    """
                    select count(*) from (select to_jsonb(c) from monitoring.notification_channels as c
                        union all select to_jsonb(a) from monitoring.delivery_attempts as a
                        union all select to_jsonb(d) from monitoring.deliveries as d) as row (facts)
                    where facts::text ~ 'hunter2|aHVudGVyMi'
                    """)
                #expect(found.scalar == "0")
            }
        }
    }

    @Test("a certificate that nobody vouches for is not spoken to, and says why")
    func untrusted() async throws {
        try await ChannelBench.with { bench in
            try await Self.withMailServer("starttls", password: "x") { port, folder in
                let id = try await bench.addChannel(
                    "desk", "email", "smtp://localhost:\(port)", secret: "x",
                    #"{"from": "vigil@example.org", "to": ["a@example.org"], "user": "vigil"}"#)
                try await bench.serving {
                    _ = try await bench.tell(id, try await bench.event("firing", title: "disk"))
                    try await bench.until(
                        "it was sent",
                        "select exists (select from monitoring.delivery_attempts where error_class = 'tls')")
                }
                #expect(folder.read("mail-1") == nil)
            }
        }
    }

    @Test("a text message goes to its provider once a number, with the login it wants, and nothing of that is kept")
    func textMessage() async throws {
        try await ChannelBench.with { bench in
            try await HostileServer.with { exchange in
                while let request = exchange.request() {
                    exchange.say("HTTP/1.1 201 Created\r\nContent-Length: \(request.utf8.count)\r\n\r\n\(request)")
                }
            } _: { server in
                let twilio = try await bench.addChannel(
                    "twilio", "sms", "http://127.0.0.1:\(server.port)/2010-04-01/Accounts/AC1/Messages.json",
                    secret: "hunter2!",
                    #"{"preset": "twilio", "from": "+15005550006", "to": ["+49 30 1", "+49 30 2"], "user": "AC1"}"#)
                let other = try await bench.addChannel(
                    "other", "sms", "http://127.0.0.1:\(server.port)/v1/messages", secret: "hunter2!",
                    #"{"method": "PUT", "from": "vigil", "to": ["+4930123"], "body": {"m": [{"to": "{{to}}", "t": "{{text}}"}]}}"#
                )
                try await bench.serving {
                    let event = try await bench.event("firing", title: #"dïsk "a" {{to}}"#)
                    _ = try await bench.tell(twilio, event)
                    try await bench.untilEmpty()
                    _ = try await bench.tell(other, event)
                    try await bench.untilEmpty()
                }
                let requests = server.requests()
                #expect(requests.count == 3)
                for request in requests.prefix(2) {
                    #expect(request.lines.first == "POST /2010-04-01/Accounts/AC1/Messages.json HTTP/1.1")
                    #expect(request.lines.contains("Authorization: Basic QUMxOmh1bnRlcjIh"))
                    #expect(request.lines.contains("Content-Type: application/x-www-form-urlencoded"))
                    #expect(
                        request.body.hasPrefix(
                            "Body=High%3A%20d%C3%AFsk%20%22a%22%20%7B%7Bto%7D%7D%20-%205%20%25%20left&"))
                }
                #expect(
                    Set(requests.prefix(2).compactMap { $0.body.split(separator: "&").last })
                        == ["To=%2B49301", "To=%2B49302"])
                #expect(requests.last?.lines.first == "PUT /v1/messages HTTP/1.1")
                #expect(requests.last?.lines.contains("Authorization: Bearer hunter2!") == true)
                #expect(
                    requests.last?.body
                        == #"{"m": [{"t": "High: dïsk \"a\" \u007b\u007bto}} - 5 % left", "to": "+4930123"}]}"#)
                let kept = try await bench.admin.query(
                    """
                    select count(*) || ' ' || count(*) filter (where response ~ 'hunter2|QUMxOmh1bnRlcjIh')
                    from monitoring.delivery_attempts where outcome = 'delivered'
                    """)
                #expect(kept.scalar == "3 0", "though the provider repeated the request")
            }
        }
    }

    @Test("an incident of PagerDuty is triggered, acknowledged and resolved under one key, with the sealed routing key")
    func pager() async throws {
        try await ChannelBench.with { bench in
            try await HostileServer.with { exchange in
                while exchange.request() != nil {
                    exchange.say("HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n")
                }
            } _: { server in
                let id = try await bench.addChannel(
                    "pager", "pagerduty", "http://127.0.0.1:\(server.port)/v2/enqueue", secret: #"R0"\KEY"#)
                try await bench.serving {
                    for status in ["firing", "acknowledged", "resolved"] {
                        _ = try await bench.tell(id, try await bench.event(status, title: "disk"), key: "group/7")
                    }
                    try await bench.untilEmpty()
                }
                let requests = server.requests().map(\.body)
                #expect(requests.count == 3)
                for (body, action) in zip(requests, ["trigger", "acknowledge", "resolve"]) {
                    #expect(body.contains(#""event_action": "\#(action)""#))
                    #expect(body.contains(#""dedup_key": "group/7""#))
                    #expect(body.contains(#""routing_key": "R0\"\\KEY""#))
                }
            }
        }
    }

    @Test("a real Alertmanager shows an alert that fires, and no longer when it is over")
    func alertmanager() async throws {
        let folder = try ScratchFolder()
        let configuration = try folder.write("route: {receiver: none}\nreceivers: [{name: none}]\n", "alertmanager.yml")
        let port = try HostileServer.freePort()
        let server = try ChildProcess(
            [
                "/usr/bin/prometheus-alertmanager", "--config.file=\(configuration)",
                "--storage.path=\(folder.path)/data", "--web.listen-address=127.0.0.1:\(port)",
                "--cluster.listen-address=", "--log.level=warn",
            ], environment: ["PATH": "/usr/bin:/bin"], output: .null, errors: .file("\(folder.path)/log"))
        let result = await Result {
            try await ChannelBench.with { bench in
                let id = try await bench.addChannel("am", "alertmanager", "http://127.0.0.1:\(port)")
                try await bench.serving {
                    try await Self.until("Alertmanager never came up", port) { $0 == "[]\n" }
                    _ = try await bench.tell(id, try await bench.event("firing", title: "disk full"))
                    try await Self.until("the alert never came", port) {
                        $0.contains(#""alertname":"disk""#) && $0.contains(#""host":"db1""#)
                            && $0.contains(#""severity":"high""#) && $0.contains(#""summary":"disk full""#)
                    }
                    _ = try await bench.tell(id, try await bench.event("resolved", title: "disk full", resolved: true))
                    try await Self.until("the alert never went", port) { $0 == "[]\n" }
                    try await bench.untilEmpty()
                }
            }
        }
        server.signal(SIGKILL)
        _ = await server.wait()
        _ = try? await ChildProcess.run(["/bin/rm", "-rf", "\(folder.path)/data"], environment: [:])
        do {
            try result.get()
        } catch {
            Issue.record("\(error)\n\(folder.read("log") ?? "")")
        }
    }

    /// Asks Alertmanager for its alerts until they are as wanted.
    private static func until(_ what: String, _ port: UInt16, _ isWanted: (String) -> Bool) async throws {
        var last = "no answer"
        for _ in 0..<300 {
            if let reply = try? await HTTPTestClient.get("/api/v2/alerts", port: port), reply.status == 200 {
                last = reply.text
                if isWanted(last) { return }
            }
            try await Task.sleep(for: .milliseconds(100))
        }
        Issue.record("\(what): \(last)")
    }

    @Test(
        "X-10: the standardwebhooks package accepts what we sign, with each key while a secret is rotated, and no other"
    )
    func standardWebhooks() async throws {
        try await ChannelBench.with { bench in
            try await HostileServer.with { exchange in
                while exchange.request() != nil { exchange.say("HTTP/1.1 204 No Content\r\n\r\n") }
            } _: { server in
                let old = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
                let new = "whsec_plJ3nmyCDGBKInavdOK15jsl4QS6ZbWPXQpp+vLs1oc="
                let url = "http://127.0.0.1:\(server.port)/hook"
                let id = try await bench.addChannel("ops", "webhook", url, secret: old)
                let context = try await bench.admin.query(
                    "select monitoring_internal.endpoint_seal_context($1::uuid, $2)", [id, url])
                let sealed = try KeyRing(bench.key).seal(
                    SecretBytes(Array(new.utf8)), context: context.scalar ?? "")
                try await bench.serving {
                    for keep in [nil, "1 hour", "0"] {
                        if let keep {
                            // The second time both keys are new: the old one is forgotten.
                            _ = try await bench.admin.query(
                                "select monitoring.rotate_endpoint_secret('ops', $1, null, $2::interval)",
                                [sealed, keep])
                        }
                        _ = try await bench.admin.query(
                            "select monitoring.send_webhook_notification($1::uuid, 'order.made', '{\"größe\": 7}')",
                            [id])
                        try await bench.untilEmpty()
                    }
                }
                let requests = server.requests()
                #expect(requests.count == 3)
                let wrong = "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
                for (request, expected) in zip(requests, ["yes no no", "yes yes no", "no yes no"]) {
                    #expect(try await Self.verify(request, [old, new, wrong]) == expected)
                }
                let first = try #require(requests.first)
                #expect(try await Self.verify((first.lines, first.body + " "), [old]) == "no", "nor another body")
            }
        }
    }

    /// What the package says of a request, for each secret: yes or no.
    private static func verify(_ request: (lines: [String], body: String), _ secrets: [String]) async throws -> String {
        let program = """
            import os, sys
            from standardwebhooks.webhooks import Webhook, WebhookVerificationError
            headers = dict(line.split(": ", 1) for line in os.environ["HEADERS"].split("\\n"))
            def verdict(secret):
                try:
                    Webhook(secret).verify(os.environ["BODY"], headers)
                    return "yes"
                except WebhookVerificationError:
                    return "no"
            print(" ".join(verdict(secret) for secret in sys.argv[1:]))
            """
        let root = #filePath.split(separator: "/").dropLast(3).joined(separator: "/")
        let python = "/\(root)/.build/python/bin/python"
        try #require(access(python, X_OK) == 0, "\(python) is missing; run: make test-deps")
        let report = try await ChildProcess.run(
            [python, "-c", program] + secrets,
            environment: [
                "HEADERS": request.lines.dropFirst().joined(separator: "\n"), "BODY": request.body, "PYTHONUTF8": "1",
            ])
        return report.output.split(separator: "\n").joined(separator: "|")
    }
}
