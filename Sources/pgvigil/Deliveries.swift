import Postgres
import Runtime

extension Command {
    /// `pgvigil deliveries`: what is on its way to receivers, and what somebody does about it.
    static let deliveries = Command(
        name: "deliveries",
        summary: "list, retry and replay messages to receivers",
        subcommands: [
            Command(
                name: "list", summary: "list what is to be delivered, and what was",
                options: [
                    .dsn, .endpoint, .tenant,
                    .value("state", "WORD", "pending, in_flight, failed, held, delivered, dead, all"),
                    .value("since", "TIME", "only those of the last 2h"),
                    .value("count", "N", "how many (default 50)"), .rowsAsJSON,
                ],
                details: ["Without --state it lists what is not over; what is over of the last day."],
                body: { try await DeliveryCommand($0).list() }),
            Command(
                name: "show", summary: "show one delivery and its attempts",
                operands: .upTo(1, "DELIVERY"), options: [.dsn, .rowsAsJSON],
                details: ["DELIVERY is its number, or the id that its receiver saw, such as msg_..."],
                body: { try await DeliveryCommand($0).show() }),
            Command(
                name: "retry", summary: "try again now, not when it is due", operands: .upTo(1, "[DELIVERY]"),
                options: [.dsn, .endpoint, .tenant],
                details: ["What has to arrive before it is tried too; a receiver that is left alone is asked."],
                body: { try await DeliveryCommand($0).retry() }),
            Command(
                name: "dead", summary: "list what was given up, and why",
                options: [
                    .dsn, .endpoint, .tenant, .value("since", "TIME", "only those of the last 2h"),
                    .flag("all", "those that were queued again too"),
                    .value("count", "N", "how many (default 50)"), .rowsAsJSON,
                ],
                details: ["Exit status 52 when there is any."],
                body: { try await DeliveryCommand($0).dead() }),
            Command(
                name: "replay", summary: "queue again what was given up, with the same id",
                operands: .upTo(1, "[DELIVERY]"),
                options: [.dsn, .endpoint, .tenant, .value("since", "TIME", "only those given up in the last 2h")],
                details: ["One by its number, or all of --endpoint NAME, in their order."],
                body: { try await DeliveryCommand($0).replay() }),
            Command(
                name: "drain", summary: "wait until nothing is left to be delivered",
                options: [
                    .dsn, .endpoint, .tenant, .value("wait", "TIME", "so long at most (default 1m)"), .rowsAsJSON,
                ],
                details: [
                    "It sends nothing itself: a service must run. Exit status 51 when something is",
                    "left; what, and why, is printed. Held messages are not waited for.",
                ],
                body: { try await DrainCommand($0).run() }),
        ])
}

extension CommandOption {
    static let endpoint = value("endpoint", "NAME", "only those to this receiver")
}

extension ExitStatus {
    /// Messages are left to be delivered.
    static let undrained = ExitStatus(code: 51)
    /// Messages were given up.
    static let deadLetters = ExitStatus(code: 52)
}

/// The commands about one delivery, or many.
private struct DeliveryCommand {
    private let invocation: Invocation
    private let query: AlertQuery

    init(_ invocation: Invocation) {
        self.invocation = invocation
        query = AlertQuery(invocation: invocation)
    }

    func list() async throws -> ExitStatus {
        let rows = try await query.rows(
            "select * from monitoring_internal.list_deliveries($1, $2, $3, $4::interval, $5::integer)",
            [
                invocation.value("endpoint"), invocation.value("tenant"), invocation.value("state"), try since(),
                try count(),
            ])
        query.show(rows, empty: "nothing is to be delivered")
        return .ok
    }

    func show() async throws -> ExitStatus {
        let name = try query.name("the number of a delivery", remedy: "numbers: pgvigil deliveries list")
        let facts = try await query.rows("select * from monitoring_internal.describe_delivery($1)", [name])
        let attempts = try await query.rows("select * from monitoring_internal.delivery_timeline($1)", [name])
        if invocation.flag("json") {
            for rows in [facts, attempts] { for row in rows { Terminal.print(TextTable.json(row)) } }
            return .ok
        }
        Terminal.print(TextTable.pairs(facts))
        if !attempts.isEmpty { Terminal.print("\n" + TextTable(attempts).text) }
        return .ok
    }

    func retry() async throws -> ExitStatus {
        if let number = try number() {
            let count = try await query.rows("select monitoring.retry_delivery($1::bigint)", [number]).scalar ?? "0"
            Terminal.print(
                count == "1"
                    ? "delivery \(number) is due now"
                    : "delivery \(number) is due now, after \(Self.words(count, less: 1)) before it")
            return .ok
        }
        let name = try endpoint("retry")
        let count =
            try await query.rows(
                "select monitoring.retry_deliveries($1, $2)", [name, invocation.value("tenant")]
            ).scalar ?? "0"
        Terminal.print(count == "0" ? "nothing failed at \(name) and waits" : "\(Self.words(count)) to \(name) due now")
        return count == "0" ? .nothingToDo : .ok
    }

    func dead() async throws -> ExitStatus {
        let rows = try await query.rows(
            "select * from monitoring_internal.list_dead_letters($1, $2, $3::interval, $4::boolean, $5::integer)",
            [
                invocation.value("endpoint"), invocation.value("tenant"), try since(),
                invocation.flag("all") ? "t" : "f", try count(),
            ])
        query.show(rows, empty: "nothing was given up")
        return rows.contains { $0["replayed"] == nil } ? .deadLetters : .ok
    }

    func replay() async throws -> ExitStatus {
        if let number = try number() {
            let again = try await query.rows("select monitoring.replay_delivery($1::bigint)", [number]).scalar ?? ""
            Terminal.print("queued again as delivery \(again), the same message")
            return .ok
        }
        let name = try endpoint("replay")
        let row = try await query.rows(
            "select * from monitoring.replay_deliveries($1, $2, $3::interval)",
            [name, invocation.value("tenant"), try since()]
        ).single()
        let count = row["replayed"] ?? "0"
        let lost = row["left_dead"] ?? "0"
        Terminal.print(
            (count == "0" ? "nothing to queue again for \(name)" : "\(Self.words(count)) to \(name) queued again")
                + (lost == "0" ? "" : "; of \(lost) the message is no longer kept"))
        return count == "0" ? .nothingToDo : .ok
    }

    /// The operand, which is a number here.
    private func number() throws(CommandFault) -> String? {
        guard let word = invocation.operands.first else { return nil }
        guard Int64(word) != nil else {
            throw CommandFault(
                .usage, "\"\(word)\" is no number of a delivery", remedy: "numbers: pgvigil deliveries list --state all"
            )
        }
        return word
    }

    private func endpoint(_ verb: String) throws(CommandFault) -> String {
        guard let name = invocation.value("endpoint") else {
            throw CommandFault(
                .usage, "what to \(verb) is missing",
                remedy: "give the number of a delivery, or --endpoint NAME for all of a receiver")
        }
        return name
    }

    private func since() throws(CommandFault) -> String? {
        try invocation.duration("since").map { "\($0.inSeconds) s" }
    }

    private func count() throws(CommandFault) -> String {
        String(try invocation.integer("count", in: 1...100_000) ?? 50)
    }

    private static func words(_ count: String, less: Int = 0) -> String {
        let number = (Int(count) ?? 0) - less
        return number == 1 ? "1 message" : "\(number) messages"
    }
}

/// `pgvigil deliveries drain`.
private struct DrainCommand {
    private let invocation: Invocation

    init(_ invocation: Invocation) { self.invocation = invocation }

    /// What is left at one moment.
    private struct Backlog {
        var rows: PostgresRows
        var waiting = 0
        var inFlight = 0
        var held = 0

        init(_ rows: PostgresRows) {
            self.rows = rows
            for row in rows {
                waiting += Int(row["waiting"] ?? "") ?? 0
                inFlight += Int(row["in_flight"] ?? "") ?? 0
                held += Int(row["held"] ?? "") ?? 0
            }
        }

        var left: Int { waiting + inFlight }
    }

    func run() async throws -> ExitStatus {
        let limit = try invocation.duration("wait") ?? .seconds(60)
        let connection = try await PostgresConnection.connect(invocation.database())
        let begun = Monotonic.now()
        let line = ProgressLine()
        var backlog = try await ask(connection)
        let atFirst = backlog.left
        while backlog.left > 0, Monotonic.now() - begun < limit, !invocation.shutdown.isRequested {
            let elapsed = (Monotonic.now() - begun).inSeconds
            let rate = elapsed > 0 ? Double(atFirst - backlog.left) / elapsed : 0
            line.show(
                "\(backlog.waiting) waiting, \(backlog.inFlight) on the way, \(Int(max(0, rate))) a second, "
                    + "\(Int(elapsed)) s")
            _ = await invocation.shutdown.sleep(for: .milliseconds(250), clock: ContinuousClock())
            backlog = try await ask(connection)
        }
        line.finish()
        await connection.close()
        return report(backlog)
    }

    private func ask(_ connection: PostgresConnection) async throws(PostgresError) -> Backlog {
        Backlog(
            try await connection.query(
                "select * from monitoring_internal.delivery_backlog($1, $2)",
                [invocation.value("endpoint"), invocation.value("tenant")], timeout: .seconds(60)))
    }

    private func report(_ backlog: Backlog) -> ExitStatus {
        if invocation.flag("json") {
            for row in backlog.rows { Terminal.print(TextTable.json(row)) }
        } else if backlog.rows.isEmpty {
            Terminal.print("nothing is left to be delivered")
        } else {
            Terminal.print(TextTable(backlog.rows).text)
        }
        return backlog.left + backlog.held > 0 ? .undrained : .ok
    }
}

/// A line on a terminal that is written over; off a terminal it is not shown.
struct ProgressLine {
    /// Shows a text instead of the one before.
    func show(_ text: String) {
        guard Terminal.isInteractive else { return }
        Terminal.write("\r\u{1B}[K\(text.prefix(78))", to: 2)
    }

    /// Clears the line.
    func finish() {
        guard Terminal.isInteractive else { return }
        Terminal.write("\r\u{1B}[K", to: 2)
    }
}
