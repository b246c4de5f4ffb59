import Postgres
import Runtime

extension Command {
    /// `pgvigil jobs`: what is scheduled, what comes next, what became of it.
    static let jobs = Command(
        name: "jobs",
        summary: "list, explain, run and apply scheduled jobs",
        subcommands: [
            Command(
                name: "list", summary: "list the jobs in force and how they fare",
                options: [.dsn, .flag("json", "print one JSON object a job")],
                body: { try await JobsQuery($0).list() }),
            Command(
                name: "next", summary: "show what starts next",
                operands: .upTo(1, "[NAME]"),
                options: [
                    .dsn, .value("count", "N", "how many (default 10)"),
                    .flag("explain", "show the coming slots of NAME and the rule that made each"),
                    .flag("json", "print one JSON object a row"),
                ],
                body: { try await JobsQuery($0).next() }),
            Command(
                name: "explain", summary: "show all that is known of one job, and its coming slots",
                operands: .upTo(1, "NAME"),
                options: [.dsn, .value("count", "N", "how many slots (default 5)")],
                body: { try await JobsQuery($0).explain() }),
            Command(
                name: "run", summary: "run a job once, beside its schedule",
                operands: .upTo(1, "NAME"),
                options: [.dsn, .value("target", "TARGET", "on this one of its targets, or in this database")],
                details: ["A service that serves the database starts it within moments."],
                body: { try await JobsQuery($0).run() }),
            Command(
                name: "pause", summary: "let no slot of a job start",
                operands: .upTo(1, "NAME"),
                options: [
                    .dsn, .value("for", "TIME", "so long, such as 2h; until it is resumed when not given"),
                    .value("reason", "TEXT", "why, for those who wonder"),
                ],
                details: ["What runs goes on. The slots of a pause end as skipped (paused)."],
                body: { try await JobsQuery($0).pause() }),
            Command(
                name: "resume", summary: "let a paused job go on at its next slot",
                operands: .upTo(1, "NAME"), options: [.dsn],
                body: { try await JobsQuery($0).resume() }),
            Command(
                name: "cancel", summary: "end the open runs of a job",
                operands: .upTo(1, "NAME"),
                options: [.dsn, .value("slot", "TIME", "only those of this slot")],
                details: ["What executes is cancelled on the server by the service that holds it, within moments."],
                body: { try await JobsQuery($0).cancel() }),
            Command(
                name: "history", summary: "show the latest runs, of one job or of all",
                operands: .upTo(1, "[NAME]"),
                options: [
                    .dsn, .value("count", "N", "how many (default 20)"),
                    .flag("json", "print one JSON object a run"),
                ],
                body: { try await JobsQuery($0).history() }),
            Command(
                name: "apply", summary: "bring the jobs of a file into force, all or none",
                operands: .upTo(1, "[FILE]"), options: [.dsn],
                details: ["FILE is jobs.yml unless given. Jobs that left the file are retired."],
                body: { try await JobsFileCommand($0).apply() }),
            Command(
                name: "validate", summary: "check a file of jobs and change nothing",
                operands: .upTo(1, "[FILE]"),
                options: [.dsn, .flag("offline", "check only what needs no database")],
                details: ["Schedules and time zones are known to the database: it is asked unless --offline."],
                body: { try await JobsFileCommand($0).validate() }),
        ])
}

/// The commands that look at jobs, or start one.
private struct JobsQuery {
    private let invocation: Invocation

    init(_ invocation: Invocation) { self.invocation = invocation }

    func list() async throws -> ExitStatus {
        let rows = try await rows("select * from monitoring_internal.list_jobs()")
        show(rows, empty: "no job is in force; define some with: pgvigil jobs apply FILE")
        return .ok
    }

    func next() async throws -> ExitStatus {
        let count = try invocation.integer("count", in: 1...1000) ?? 10
        guard let name = invocation.operands.first else {
            guard !invocation.flag("explain") else {
                throw CommandFault(.usage, "--explain needs the name of a job", remedy: "names: pgvigil jobs list")
            }
            show(
                try await rows("select * from monitoring_internal.list_upcoming($1)", [String(count)]),
                empty: "nothing is due")
            return .ok
        }
        show(try await slots(of: name, count), empty: "the job never fires again")
        return .ok
    }

    func explain() async throws -> ExitStatus {
        let name = try requiredName()
        let count = try invocation.integer("count", in: 1...1000) ?? 5
        let pairs = try await rows("select * from monitoring_internal.describe_job($1)", [name])
        let slots = try await slots(of: name, count)
        let width = pairs.map { $0["field"]?.count ?? 0 }.max() ?? 0
        for pair in pairs {
            let field = pair["field"] ?? ""
            Terminal.print(field + String(repeating: " ", count: width - field.count) + "  " + (pair["value"] ?? ""))
        }
        Terminal.print("")
        Terminal.print(TextTable(slots).text)
        return .ok
    }

    func run() async throws -> ExitStatus {
        let name = try requiredName()
        let target = invocation.value("target")
        let run = try await rows("select monitoring.run_job($1, $2)", [name, target]).scalar ?? ""
        let place = target.map { " on \($0)" } ?? ""
        Terminal.print("run \(run) of \(name)\(place) is asked for; see: pgvigil jobs history \(name)")
        return .ok
    }

    func pause() async throws -> ExitStatus {
        let name = try requiredName()
        let seconds = try invocation.duration("for").map { "\($0.inSeconds) s" }
        _ = try await rows(
            "select monitoring.pause_job($1, clock_timestamp() + $2::interval, $3)",
            [name, seconds, invocation.value("reason")])
        Terminal.print("\(name) is paused" + (seconds == nil ? "; it goes on after: pgvigil jobs resume \(name)" : ""))
        return .ok
    }

    func resume() async throws -> ExitStatus {
        let name = try requiredName()
        let wasPaused = try await rows("select monitoring.resume_job($1)", [name]).scalar == "t"
        Terminal.print("\(name) " + (wasPaused ? "goes on at its next slot" : "was not paused"))
        return .ok
    }

    func cancel() async throws -> ExitStatus {
        let name = try requiredName()
        let count =
            try await rows(
                "select monitoring.cancel_run($1, $2::timestamptz)", [name, invocation.value("slot")]
            ).scalar ?? "0"
        Terminal.print(
            count == "0"
                ? "no run of \(name) is open"
                : "open runs of \(name) to be cancelled: \(count); see: pgvigil jobs history \(name)")
        return .ok
    }

    func history() async throws -> ExitStatus {
        let count = try invocation.integer("count", in: 1...100_000) ?? 20
        let rows = try await rows(
            "select * from monitoring_internal.list_runs($1, $2)", [invocation.operands.first, String(count)])
        show(rows, empty: "no run is on record")
        return .ok
    }

    private func slots(of name: String, _ count: Int) async throws -> PostgresRows {
        try await rows("select * from monitoring_internal.next_slots($1, $2)", [name, String(count)])
    }

    private func requiredName() throws(CommandFault) -> String {
        guard let name = invocation.operands.first else {
            throw CommandFault(.usage, "the name of a job is missing", remedy: "names: pgvigil jobs list")
        }
        return name
    }

    private func show(_ rows: PostgresRows, empty: String) {
        if invocation.flag("json") {
            for row in rows { Terminal.print(TextTable.json(row)) }
        } else {
            Terminal.print(rows.isEmpty ? empty : TextTable(rows).text)
        }
    }

    private func rows(_ sql: String, _ parameters: [String?] = []) async throws -> PostgresRows {
        let connection = try await PostgresConnection.connect(invocation.database())
        return try await connection.query(sql, parameters, timeout: .seconds(60))
    }
}
