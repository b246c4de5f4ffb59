import Postgres

extension Command {
    /// `pgvigil oncall`: who answers for alerts, now and later.
    static let onCall = Command(
        name: "oncall",
        summary: "show who is on call",
        options: [.dsn, .rowsAsJSON],
        details: ["Without a command it lists, as \"pgvigil oncall list\" does."],
        subcommands: [
            Command(
                name: "list", summary: "show who is on call in each schedule now", options: [.dsn, .rowsAsJSON],
                body: { try await OnCallCommand($0).list() }),
            Command(
                name: "show", summary: "show who is on call in one schedule", operands: .upTo(1, "SCHEDULE"),
                options: [.dsn, .value("at", "TIME", "at that moment (default: now)"), .rowsAsJSON],
                details: ["Exit status 24 when nobody is."],
                body: { try await OnCallCommand($0).show() }),
            Command(
                name: "shifts", summary: "show turns to come, and when nobody is on call",
                operands: .upTo(1, "SCHEDULE"),
                options: [.dsn, .value("days", "N", "how many days from now (default 14)"), .rowsAsJSON],
                body: { try await OnCallCommand($0).shifts() }),
        ],
        body: { try await OnCallCommand($0).list() })
}

/// The commands that show on-call schedules.
private struct OnCallCommand {
    private let invocation: Invocation
    private let query: AlertQuery

    init(_ invocation: Invocation) {
        self.invocation = invocation
        query = AlertQuery(invocation: invocation)
    }

    func list() async throws -> ExitStatus {
        query.show(
            try await query.rows("select * from monitoring_internal.list_on_call()"),
            empty: "there is no on-call schedule; see docs/on-call.md")
        return .ok
    }

    func show() async throws -> ExitStatus {
        let rows = try await query.rows(
            """
            select person, source from monitoring.on_call_at($1, coalesce($2::timestamptz, clock_timestamp()))
            """, [try schedule(), invocation.value("at")])
        query.show(rows, empty: "nobody is on call")
        return rows.isEmpty ? .nothingToDo : .ok
    }

    func shifts() async throws -> ExitStatus {
        let days = try invocation.integer("days", in: 1...366) ?? 14
        query.show(
            try await query.rows(
                "select * from monitoring_internal.on_call_calendar($1, $2)", [try schedule(), String(days)]),
            empty: "nobody is on call")
        return .ok
    }

    private func schedule() throws(CommandFault) -> String {
        try query.name("the name of a schedule", remedy: "names: pgvigil oncall list")
    }
}
