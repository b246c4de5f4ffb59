import Postgres
import Runtime
import Secrets

extension Command {
    /// `pgvigil heartbeat`: the dead man's switch.
    static let heartbeat = Command(
        name: "heartbeat",
        summary: "tell the outside that all works, while it does",
        subcommands: [
            Command(
                name: "set", summary: "send a sign of life to a URL", operands: .upTo(1, "[NAME]"),
                options: [
                    .dsn, .value("url-file", "FILE", "read the URL from FILE"),
                    .value("every", "TIME", "so often (default 1m)"),
                    .value("method", "METHOD", "POST (default) or GET"),
                    .keyFile,
                ],
                details: [
                    "Such as a check of healthchecks.io or a snitch: it calls you when they stop. The",
                    "URL is a secret: it comes from --url-file, a prompt or standard input, and is",
                    "stored sealed. Sent only while measuring, evaluating and delivering work.",
                ],
                body: { try await HeartbeatCommand($0).set() }),
            Command(
                name: "show", summary: "show whether it beats, and the chain it stands for",
                options: [.dsn, .rowsAsJSON], details: ["Exit status 53 when one does not beat."],
                body: { try await HeartbeatCommand($0).show() }),
            Command(
                name: "test", summary: "have one sent now, and show what became of it",
                operands: .upTo(1, "[NAME]"),
                options: [.dsn, .value("wait", "TIME", "wait so long for its end (default 30s)")],
                details: ["A service must be running: it sends. Exit status 53 when it did not arrive."],
                body: { try await HeartbeatCommand($0).test() }),
            Command(
                name: "remove", summary: "send it no longer", operands: .upTo(1, "[NAME]"), options: [.dsn],
                body: { try await HeartbeatCommand($0).remove() }),
        ])
}

extension ExitStatus {
    /// A sign of life is not sent, or does not arrive.
    static let noHeartbeat = ExitStatus(code: 53)
}

/// The commands that look after the dead man's switch.
private struct HeartbeatCommand {
    private let invocation: Invocation

    init(_ invocation: Invocation) { self.invocation = invocation }

    /// Most have one.
    private var name: String { invocation.operands.first ?? "default" }

    func set() async throws -> ExitStatus {
        let every = try invocation.duration("every") ?? .seconds(60)
        let method = invocation.value("method")?.uppercased() ?? "POST"
        guard ["GET", "POST"].contains(method) else {
            throw CommandFault(.usage, "--method says \"\(method)\"", remedy: "it is GET or POST")
        }
        guard every >= .seconds(10), every <= .seconds(86_400) else {
            throw CommandFault(.usage, "--every must be from 10s to 1d", remedy: "1m is usual")
        }
        let keys = try invocation.keys()
        let url = try PasswordInput(invocation: invocation, purpose: name, option: "url-file", noun: "URL").read()
        guard url.withBytes({ Self.isURL(String(decoding: $0, as: UTF8.self)) }) else {
            throw CommandFault(
                .usage, "what was given is no URL", remedy: "it looks like https://hc-ping.com/01234567-89ab-...")
        }
        let row = try await query("select * from monitoring_internal.heartbeat_identity($1)", [name]).single()
        let sealed: String
        do throws(SecretFault) {
            sealed = try keys.seal(url, context: row["context"] ?? "")
        } catch {
            throw CommandFault(error)
        }
        _ = try await query(
            "select monitoring.set_heartbeat($1::uuid, $2, $3, make_interval(secs => $4::float8), $5)",
            [row["id"], name, sealed, String(every.inSeconds), method])
        Terminal.print("heartbeat \(name) is sent while all works; try it: pgvigil heartbeat test \(name)")
        return .ok
    }

    func show() async throws -> ExitStatus {
        let beats = try await query("select * from monitoring_internal.list_heartbeats()")
        let chain = try await query("select * from monitoring_internal.heartbeat_chain()")
        if invocation.flag("json") {
            for rows in [beats, chain] { for row in rows { Terminal.print(TextTable.json(row)) } }
        } else {
            Terminal.print(
                beats.isEmpty
                    ? "nobody outside is told that pgvigil lives; let it be: pgvigil heartbeat set"
                    : TextTable(beats).text)
            Terminal.print("\n" + TextTable(chain).text)
        }
        return beats.allSatisfy { ["beating", "inactive"].contains($0["state"]) } ? .ok : .noHeartbeat
    }

    func test() async throws -> ExitStatus {
        let wait = try invocation.duration("wait") ?? .seconds(30)
        let before = try await query("select monitoring.hurry_heartbeat($1)", [name]).scalar
        let end = Monotonic.now() + wait
        while Monotonic.now() < end, !invocation.shutdown.isRequested {
            let row = try await query(
                "select * from monitoring_internal.heartbeat_progress($1, $2::bigint)", [name, before]
            ).single()
            if row["is_over"] == "t" {
                guard row["has_arrived"] == "t" else {
                    throw CommandFault(
                        .noHeartbeat, "heartbeat \(name) did not arrive: \(row["error"] ?? "")",
                        remedy: "internal addresses need --allow-networks of pgvigil serve; else see its log")
                }
                Terminal.print("heartbeat \(name) arrived: status \(row["status"] ?? "")")
                return .ok
            }
            if let broken = row["broken"] {
                throw CommandFault(
                    .noHeartbeat, "heartbeat \(name) is withheld, the chain is broken: \(broken)",
                    remedy: "what mends it: pgvigil heartbeat show")
            }
            try await Task.sleep(for: .milliseconds(200))
        }
        throw CommandFault(.noHeartbeat, "no service has sent heartbeat \(name)", remedy: "is pgvigil serve running?")
    }

    func remove() async throws -> ExitStatus {
        _ = try await query("select monitoring.remove_heartbeat($1)", [name])
        Terminal.print("heartbeat \(name) is removed")
        return .ok
    }

    private static func isURL(_ text: String) -> Bool {
        let isWeb = ["https://", "http://"].contains { text.hasPrefix($0) && text.count > $0.count }
        return isWeb && !text.utf8.contains { $0 <= 32 || $0 == 127 }
    }

    private func query(_ sql: String, _ parameters: [String?] = []) async throws -> PostgresRows {
        let connection = try await PostgresConnection.connect(invocation.database())
        return try await connection.query(sql, parameters, timeout: .seconds(60))
    }
}
