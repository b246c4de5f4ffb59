import Postgres
import Runtime

extension Command {
    /// `pgvigil alerts`: what is wrong now, and what somebody does about it.
    static let alerts = Command(
        name: "alerts",
        summary: "list, take, silence and explain alerts",
        subcommands: [
            Command(
                name: "list", summary: "list open alerts, the gravest first",
                options: [
                    .dsn, .flag("all", "resolved ones too"),
                    .value("severity", "WORD", "only low, medium, high or critical"),
                    .value("rule", "NAME", "only those of this rule"),
                    .value("count", "N", "how many (default 50)"), .rowsAsJSON,
                ],
                details: ["Exit status 25 when an alert is open that nobody has acknowledged."],
                body: { try await AlertCommand($0).list() }),
            Command(
                name: "show", summary: "show all that is known of one alert", operands: .upTo(1, "ALERT"),
                options: [.dsn, .rowsAsJSON],
                details: ["ALERT is an id, or the first characters of one as the list shows them."],
                body: { try await AlertCommand($0).show() }),
            Command(
                name: "ack", summary: "take an alert: no repeats, no escalation", operands: .upTo(1, "ALERT"),
                options: [
                    .dsn, .note, .value("for", "TIME", "so long, such as 2h (default: by severity)"), .rowsAsJSON,
                ],
                body: { try await AlertCommand($0).acknowledge() }),
            Command(
                name: "resolve", summary: "close an alert by hand", operands: .upTo(1, "ALERT"),
                options: [.dsn, .note, .rowsAsJSON],
                details: ["What goes on is left alone for the rule's cooldown, unless it gets worse."],
                body: { try await AlertCommand($0).resolve() }),
            Command(
                name: "silence", summary: "tell nothing of some alerts for a while",
                operands: .upTo(20, "MATCHER..."),
                options: [
                    .dsn, .value("for", "TIME", "so long, such as 2h"),
                    .value("comment", "TEXT", "why, for those who wonder"),
                    .flag("preview", "show what it would withhold, and change nothing"),
                    .value("end", "ID", "end the silence of that number instead"), .rowsAsJSON,
                ],
                details: [
                    "MATCHER is label=value, label!=value, label=~expression or label!~expression,",
                    "of the alert's labels, rule_name, severity or metric_name; all must hold.",
                ],
                body: { try await SilenceCommand($0).run() }),
            Command(
                name: "explain", summary: "show why an alert fired, or why a rule did not",
                operands: .upTo(1, "ALERT|RULE"), options: [.dsn, .rowsAsJSON],
                body: { try await AlertCommand($0).explain() }),
            Command(
                name: "backtest", summary: "show what a rule would have done", operands: .upTo(1, "RULE"),
                options: [
                    .dsn, .value("from", "TIME", "from then on (default: 7 days ago)"),
                    .value("until", "TIME", "until then (default: now)"),
                    .value("step", "TIME", "evaluated so often (default: as the rule is)"),
                    .value("set", "KEY=VALUE", "with this changed, such as critical_threshold=0.9"), .rowsAsJSON,
                ],
                details: ["By the evaluator itself, on what was measured; nothing of it stays."],
                body: { try await AlertCommand($0).backtest() }),
        ])
}

extension CommandOption {
    static let rowsAsJSON = flag("json", "print one JSON object a row")
    static let note = value("note", "TEXT", "a word about it")
}

extension ExitStatus {
    /// What was named is not there, or is several things.
    static let notFound = ExitStatus(code: 23)
    /// There was nothing to do.
    static let nothingToDo = ExitStatus(code: 24)
    /// An alert is open that nobody has acknowledged.
    static let alertsOpen = ExitStatus(code: 25)
}

/// Asks the database, and tells what is not there with the name that was probably meant.
struct AlertQuery {
    let invocation: Invocation

    func rows(_ sql: String, _ parameters: [String?] = []) async throws -> PostgresRows {
        let connection = try await PostgresConnection.connect(invocation.database())
        do throws(PostgresError) {
            let rows = try await connection.query(sql, parameters, timeout: .seconds(600))
            await connection.close()
            return rows
        } catch {
            let fault = await fault(error, connection)
            await connection.close()
            throw fault
        }
    }

    func name(_ what: String, remedy: String) throws(CommandFault) -> String {
        guard let name = invocation.operands.first else {
            throw CommandFault(.usage, "\(what) is missing", remedy: remedy)
        }
        return name
    }

    func show(_ rows: PostgresRows, empty: String) {
        if invocation.flag("json") {
            for row in rows { Terminal.print(TextTable.json(row)) }
        } else {
            Terminal.print(rows.isEmpty ? empty : TextTable(rows).text)
        }
    }

    /// Words as the JSON array that the database reads.
    static func words(_ words: [String]) -> String { JSONText.array(words.map { .string($0) }).text }

    private func fault(_ error: PostgresError, _ connection: PostgresConnection) async -> any Error {
        let kind: String
        switch error.sqlState {
        case "PV132", "PV133", "PV135", "PV944", "PV951", "PV958", "PV965", "PV982", "PV983":
            return CommandFault(.notFound, error.message, remedy: error.hint ?? "")
        case "PV134": kind = "rule"
        case "PV950": kind = "schedule"
        default: return error
        }
        let names = try? await connection.query(
            "select monitoring_internal.known_names($1)", [kind], timeout: .seconds(10))
        let known = names?.compactMap { $0[0] } ?? []
        let nearest = invocation.operands.first.flatMap { Suggestion.nearest(to: $0, among: known) }
        return CommandFault(
            .notFound, error.message, remedy: nearest.map { "did you mean \"\($0)\"?" } ?? error.hint ?? "")
    }
}

/// The commands about one alert, or many.
private struct AlertCommand {
    private let invocation: Invocation
    private let query: AlertQuery

    init(_ invocation: Invocation) {
        self.invocation = invocation
        query = AlertQuery(invocation: invocation)
    }

    func list() async throws -> ExitStatus {
        let count = try invocation.integer("count", in: 1...100_000) ?? 50
        let rows = try await query.rows(
            "select * from monitoring_internal.list_alerts($1, $2, $3, $4)",
            [
                invocation.flag("all") ? "t" : "f", invocation.value("severity"), invocation.value("rule"),
                String(count),
            ])
        query.show(rows, empty: invocation.flag("all") ? "no alert is on record" : "no alert is open")
        return rows.contains { $0["status"] == "active" } ? .alertsOpen : .ok
    }

    func show() async throws -> ExitStatus {
        let name = try alert()
        let facts = try await query.rows("select * from monitoring_internal.describe_alert($1)", [name])
        let steps = try await query.rows("select * from monitoring_internal.alert_timeline($1)", [name])
        if invocation.flag("json") {
            for rows in [facts, steps] { for row in rows { Terminal.print(TextTable.json(row)) } }
            return .ok
        }
        Terminal.print(TextTable.pairs(facts))
        if !steps.isEmpty { Terminal.print("\n" + TextTable(steps).text) }
        return .ok
    }

    func acknowledge() async throws -> ExitStatus {
        let seconds = try invocation.duration("for").map { "\($0.inSeconds) s" }
        return try await answer(
            """
            select monitoring.acknowledge_alert(
                monitoring_internal.find_alert($1), $2, clock_timestamp() + $3::interval) as outcome
            """, [try alert(), invocation.value("note"), seconds])
    }

    func resolve() async throws -> ExitStatus {
        try await answer(
            "select monitoring.resolve_alert(monitoring_internal.find_alert($1), $2) as outcome",
            [try alert(), invocation.value("note")])
    }

    func explain() async throws -> ExitStatus {
        let name = try query.name("an alert or a rule", remedy: "see: pgvigil alerts list")
        let columns = invocation.flag("json") ? "*" : "section, at, line"
        let rows: PostgresRows
        do {
            rows = try await query.rows(
                "select \(columns) from monitoring.explain_alert(monitoring_internal.find_alert($1))", [name])
        } catch let fault as CommandFault where fault.status == .notFound {
            rows = try await query.rows(
                "select * from monitoring.why_not_fired(monitoring_internal.find_alert_rule($1))", [name])
        }
        query.show(rows, empty: "nothing is known of it")
        return .ok
    }

    func backtest() async throws -> ExitStatus {
        let name = try query.name("the name of a rule", remedy: "such as one that pgvigil alerts list names")
        let step = try invocation.duration("step").map { "\($0.inSeconds) s" }
        let rows = try await query.rows(
            """
            select monitoring_internal.label_words(episode.labels) as about, episode.severity,
                episode.first_breach_at as breached, episode.fired_at as fired, episode.resolved_at as resolved,
                episode.resolution_reason as reason, episode.peak_value as peak, episode.reopened,
                episode.notifications as told
            from monitoring.backtest_rule(
                monitoring_internal.find_alert_rule($1),
                coalesce($2::timestamptz, clock_timestamp() - interval '7 days'),
                coalesce($3::timestamptz, clock_timestamp()), $4::interval,
                monitoring_internal.changes_of($5::jsonb)) as episode
            order by episode.fired_at
            """,
            [
                name, invocation.value("from"), invocation.value("until"), step,
                AlertQuery.words(invocation.allValues("set")),
            ])
        query.show(rows, empty: "it would not have fired")
        return .ok
    }

    /// Runs what says in words what came of it; words that begin with "nothing" are a status of their own.
    private func answer(_ sql: String, _ parameters: [String?]) async throws -> ExitStatus {
        let rows = try await query.rows(sql, parameters)
        let outcome = rows.scalar ?? ""
        if invocation.flag("json") {
            query.show(rows, empty: "")
        } else {
            Terminal.print(outcome)
        }
        return outcome.hasPrefix("nothing") ? .nothingToDo : .ok
    }

    private func alert() throws(CommandFault) -> String {
        try query.name("the id of an alert", remedy: "ids: pgvigil alerts list")
    }
}

/// `pgvigil alerts silence`.
private struct SilenceCommand {
    private let invocation: Invocation
    private let query: AlertQuery

    init(_ invocation: Invocation) {
        self.invocation = invocation
        query = AlertQuery(invocation: invocation)
    }

    func run() async throws -> ExitStatus {
        if let id = try invocation.integer("end", in: 1...Int.max) { return try await end(id) }
        guard !invocation.operands.isEmpty else {
            throw CommandFault(.usage, "a matcher is missing", remedy: "such as server=north or rule_name=~disk.*")
        }
        let matchers = AlertQuery.words(invocation.operands)
        guard !invocation.flag("preview") else { return try await preview(matchers) }
        guard let comment = invocation.value("comment"), let length = try invocation.duration("for") else {
            throw CommandFault(
                .usage, "a silence needs --for and --comment", remedy: "such as --for 2h --comment \"new disks\"")
        }
        let rows = try await query.rows(
            """
            with silence as (
                select monitoring.silence_alerts(
                    monitoring_internal.matchers_of($1::jsonb), $2, duration => $3::interval) as silence_id
            )
            select silence.silence_id, (
                select count(*) from monitoring.silenced_alerts(monitoring_internal.matchers_of($1::jsonb))
            ) as alerts
            from silence
            """, [matchers, comment, "\(length.inSeconds) s"])
        if invocation.flag("json") {
            query.show(rows, empty: "")
        } else {
            let id = rows.first?["silence_id"] ?? ""
            Terminal.print(
                "silence \(id) withholds \(rows.first?["alerts"] ?? "0") open alerts; "
                    + "end it with: pgvigil alerts silence --end \(id)")
        }
        return .ok
    }

    private func preview(_ matchers: String) async throws -> ExitStatus {
        let rows = try await query.rows(
            """
            select left(alert_id::text, 8) as alert, severity, status, rule_name as rule,
                monitoring_internal.label_words(labels) as about, alert_title as title
            from monitoring.silenced_alerts(monitoring_internal.matchers_of($1::jsonb))
            """, [matchers])
        query.show(rows, empty: "it would withhold no open alert")
        return .ok
    }

    private func end(_ id: Int) async throws -> ExitStatus {
        let hasEnded = try await query.rows("select monitoring.unsilence($1) as ended", [String(id)]).scalar == "t"
        Terminal.print(hasEnded ? "silence \(id) has ended" : "silence \(id) was over")
        return hasEnded ? .ok : .nothingToDo
    }
}
