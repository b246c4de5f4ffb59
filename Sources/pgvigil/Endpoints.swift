import Postgres
import Runtime
import Secrets

extension Command {
    /// `pgvigil endpoints`: who is told of alerts.
    static let endpoints = Command(
        name: "endpoints",
        summary: "add, list, test and remove receivers of alerts",
        subcommands: [
            Command(
                name: "add", summary: "send alerts to a webhook, chat, pager, mailbox or phone",
                operands: .upTo(1, "NAME"),
                options: [
                    .dsn, .value("url", "URL", "where to (not for slack, teams: their URL is the secret)"),
                    .value("kind", "KIND", "webhook, slack, teams, pagerduty, alertmanager, email, sms"),
                    .value("to", "ADDRESS,...", "who gets mails or text messages"),
                    .value("from", "ADDRESS", "who they are from"),
                    .value("login", "NAME", "the name that goes with the secret there"),
                    .value("preset", "NAME", "how an SMS provider is asked: twilio or json"),
                    .value("body", "JSON", "the same in its own words, with {{to}} and {{text}}").rare,
                    .value("events", "TYPE,...", "a webhook's event types, such as alert.* (default: all)"),
                    .value("rate-limit", "COUNT", "messages an hour, critical ones aside (default 10)"), .tenant,
                    .secretFile, .keyFile,
                ],
                details: [
                    "A webhook's signing secret is made and printed once, unless one is given.",
                    "Secrets come from --secret-file, a prompt or standard input, and are sealed.",
                ],
                body: { try await EndpointCommand($0).add() }),
            Command(
                name: "list", summary: "list the receivers and how they fare",
                options: [.dsn, .flag("json", "print one JSON object an endpoint")],
                body: { try await EndpointCommand($0).list() }),
            Command(
                name: "test", summary: "send a test message and show what became of it",
                operands: .upTo(1, "NAME"),
                options: [.dsn, .tenant, .value("wait", "TIME", "wait so long for its end (default 30s)")],
                details: ["A service must be running: it sends. Exit status 50 when it was not delivered."],
                body: { try await EndpointCommand($0).test() }),
            Command(
                name: "rotate-secret", summary: "store a new secret", operands: .upTo(1, "NAME"),
                options: [
                    .dsn, .tenant, .secretFile, .value("keep-old", "TIME", "sign with the old one too (default 24h)"),
                    .keyFile,
                ],
                body: { try await EndpointCommand($0).rotate() }),
            Command(
                name: "enable", summary: "send again", operands: .upTo(1, "NAME"), options: [.dsn, .tenant],
                body: { try await EndpointCommand($0).setActive(true) }),
            Command(
                name: "disable", summary: "send nothing there; what waits is kept", operands: .upTo(1, "NAME"),
                options: [.dsn, .tenant], body: { try await EndpointCommand($0).setActive(false) }),
            Command(
                name: "remove", summary: "forget a receiver", operands: .upTo(1, "NAME"), options: [.dsn, .tenant],
                body: { try await EndpointCommand($0).remove() }),
        ])
}

extension CommandOption {
    static let secretFile = value("secret-file", "FILE", "read the secret from FILE")
    static let tenant = value("tenant", "NAME", "whose it is (default: the system's)")
}

extension ExitStatus {
    /// A test message was not delivered.
    static let undelivered = ExitStatus(code: 50)
}

/// The commands that look after receivers of alerts.
private struct EndpointCommand {
    private let invocation: Invocation

    init(_ invocation: Invocation) { self.invocation = invocation }

    private static let kinds = ["webhook", "slack", "teams", "pagerduty", "alertmanager", "email", "sms"]

    func add() async throws -> ExitStatus {
        let name = try requiredName()
        let kind = invocation.value("kind") ?? "webhook"
        guard Self.kinds.contains(kind) else {
            throw CommandFault(
                .usage, "--kind says \"\(kind)\"", remedy: "it is one of \(Self.kinds.joined(separator: ", "))")
        }
        let url = try url(kind)
        let limit = try invocation.integer("rate-limit", in: 1...1_000_000) ?? 10
        let keys = try invocation.keys()
        let id = try await query("select gen_random_uuid()").scalar ?? ""
        let isOpen = kind == "email" && invocation.value("login") == nil && !isSecretGiven
        let secret = isOpen ? nil : try secret(for: name, kind: kind)
        let sealed = try await seal(secret, keys, id: id, kind: kind, url: url)
        let events = JSONText.array(
            invocation.value("events")?.split(separator: ",").map { .string(String($0)) } ?? []
        ).text
        let isFirst = try await query(
            """
            select monitoring.add_endpoint($1::uuid, $2, $3, $4, $5, $6, $7::jsonb, $8::integer, jsonb_strip_nulls(
                jsonb_build_object('to', to_jsonb(regexp_split_to_array($9, ' *, *')), 'from', $10::text,
                    'user', $11::text, 'preset', $12::text, 'body', $13::jsonb)))
            """,
            [id, name, kind, url, sealed, invocation.value("tenant"), events, String(limit)]
                + ["to", "from", "login", "preset", "body"].map { invocation.value($0) }
        ).scalar
        if kind == "webhook", !isSecretGiven, let secret {
            let text = secret.withBytes { String(decoding: $0, as: UTF8.self) }
            Terminal.print("the receiver checks signatures with: \(text)")
        }
        Terminal.print(
            isFirst == "t"
                ? "\(name) is added, and gets every alert; try it: pgvigil endpoints test \(name)"
                : "\(name) is added; monitoring.notification_routes says who gets which alert")
        return .ok
    }

    func list() async throws -> ExitStatus {
        let rows = try await query("select * from monitoring_internal.list_endpoints()")
        if invocation.flag("json") {
            for row in rows { Terminal.print(TextTable.json(row)) }
        } else {
            Terminal.print(
                rows.isEmpty
                    ? "nobody is told of alerts; add somebody with: pgvigil endpoints add NAME --url URL"
                    : TextTable(rows).text)
        }
        return .ok
    }

    func test() async throws -> ExitStatus {
        let name = try requiredName()
        let wait = try invocation.duration("wait") ?? .seconds(30)
        let message = try await query(
            "select monitoring.test_endpoint($1, $2)", [name, invocation.value("tenant")]
        ).scalar
        let end = Monotonic.now() + wait
        var last: PostgresRow?
        while Monotonic.now() < end, !invocation.shutdown.isRequested {
            let rows = try await query("select * from monitoring_internal.message_attempts($1::uuid)", [message])
            last = rows.last ?? last
            if last?["outcome"] == "delivered" {
                Terminal.print("\(name) answered \(last?["status_code"] ?? "") in \(last?["milliseconds"] ?? "") ms")
                return .ok
            }
            if last?["outcome"] == "dead" { break }
            try await Task.sleep(for: .milliseconds(200))
        }
        guard let last else {
            throw CommandFault(
                .undelivered, "no service has sent the message to \(name)", remedy: "is pgvigil serve running?")
        }
        throw CommandFault(
            .undelivered,
            "\(name) did not take the message: \(last["error_class"] ?? "status \(last["status_code"] ?? "")")",
            remedy: last["response"] ?? "it is tried again; see monitoring.delivery_attempts")
    }

    func rotate() async throws -> ExitStatus {
        let name = try requiredName()
        let keep = try invocation.duration("keep-old") ?? .seconds(86_400)
        let row = try await query(
            "select * from monitoring_internal.endpoint_identity($1, $2)", [name, invocation.value("tenant")]
        ).single()
        let kind = row["kind"] ?? ""
        let keys = try invocation.keys()
        let secret = try secret(for: name, kind: kind)
        let sealed = try await seal(secret, keys, id: row["id"] ?? "", kind: kind, url: row["url"])
        _ = try await query(
            "select monitoring.rotate_endpoint_secret($1, $2, $3, make_interval(secs => $4::float8))",
            [name, sealed, invocation.value("tenant"), String(keep.inSeconds)])
        if kind == "webhook", !isSecretGiven, let secret {
            let text = secret.withBytes { String(decoding: $0, as: UTF8.self) }
            Terminal.print("the receiver checks signatures with: \(text)")
        }
        Terminal.print("\(name) has a new secret; try it: pgvigil endpoints test \(name)")
        return .ok
    }

    func setActive(_ isActive: Bool) async throws -> ExitStatus {
        let name = try requiredName()
        _ = try await query(
            "select monitoring.set_endpoint_active($1, $2::boolean, $3)",
            [name, isActive ? "t" : "f", invocation.value("tenant")])
        Terminal.print(isActive ? "\(name) is sent to again" : "\(name) is sent to no longer; what waits is kept")
        return .ok
    }

    func remove() async throws -> ExitStatus {
        let name = try requiredName()
        _ = try await query("select monitoring.remove_endpoint($1, $2)", [name, invocation.value("tenant")])
        Terminal.print("\(name) is removed")
        return .ok
    }

    // MARK: Secrets

    private var isSecretGiven: Bool { invocation.value("secret-file") != nil }

    /// What the channel needs: a webhook's signing secret is made here unless a file holds one.
    private func secret(for name: String, kind: String) throws -> SecretBytes? {
        if kind == "webhook", !isSecretGiven {
            do throws(SecretFault) {
                return SecretBytes(Array("whsec_\(try SealingKey.generate().text)".utf8))
            } catch {
                throw CommandFault(error)
            }
        }
        if kind == "alertmanager", !isSecretGiven { return nil }
        return try PasswordInput(invocation: invocation, purpose: name, option: "secret-file", noun: "secret").read()
    }

    private func seal(
        _ secret: SecretBytes?, _ keys: KeyRing, id: String, kind: String, url: String?
    ) async throws -> String? {
        guard let secret else { return nil }
        let context = try await query(
            kind == "webhook"
                ? "select monitoring_internal.endpoint_seal_context($1::uuid, $3) where $2::text is not null"
                : "select monitoring_internal.channel_seal_context($1::uuid, $2, $3)", [id, kind, url]
        ).scalar
        do throws(SecretFault) {
            return try keys.seal(secret, context: context ?? "")
        } catch {
            throw CommandFault(error)
        }
    }

    // MARK: Input

    private func requiredName() throws(CommandFault) -> String {
        guard let name = invocation.operands.first else {
            throw CommandFault(.usage, "the name of an endpoint is missing", remedy: "names: pgvigil endpoints list")
        }
        return name
    }

    private func url(_ kind: String) throws(CommandFault) -> String? {
        let url = invocation.value("url")
        switch kind {
        case "slack", "teams":
            guard url == nil else {
                throw CommandFault(
                    .usage, "the URL of a \(kind) channel is its secret",
                    remedy: "make a new one there, and give it by --secret-file FILE or on standard input")
            }
            return nil
        case "pagerduty":
            return url
        default:
            guard let url else {
                let example = kind == "email" ? "smtp://mail.example:587" : "https://receiver.example/hook"
                throw CommandFault(.usage, "--url is missing", remedy: "such as --url \(example)")
            }
            return url
        }
    }

    private func query(_ sql: String, _ parameters: [String?] = []) async throws -> PostgresRows {
        let connection = try await PostgresConnection.connect(invocation.database())
        return try await connection.query(sql, parameters, timeout: .seconds(60))
    }
}
