import Migrations
import Runtime

extension Command {
    /// `pgvigil migrate down`: undo migrations.
    static let migrateDown = Command(
        name: "down", summary: "undo the newest migrations, with the data in their tables",
        operands: .upTo(1, "[VERSION]"),
        options: [
            .dsn, .sqlFolder, .json,
            .value("steps", "COUNT", "undo so many (default 1, unless VERSION is given)"),
            .flag("yes", "do it; without, only the plan is shown"),
            .value("lock-wait", "TIME", "wait so long for another migration (default 10m)"),
            .value("lock-timeout", "TIME", "queue so long for one table's lock (default 2s)"),
            .value("retry-for", "TIME", "try a busy table again for so long (default 2m)"),
        ],
        details: [
            "VERSION stays as the newest one. Each migration is undone in a transaction of",
            "its own, newest first; functions and views go with the first. Stop services",
            "before, and run the migrate up of the pgvigil that fits afterwards.",
            "Exit status 30: a migration has no down file; 31: --yes is missing.",
        ],
        body: { invocation in try await MigrateDown.run(invocation) })

    /// `pgvigil migrate script`: one file for psql.
    static let migrateScript = Command(
        name: "script", summary: "print one psql file that does what up would do",
        options: [
            .value("from", "VERSION", "for a database that holds the migrations up to this one"), .sqlFolder,
        ],
        details: [
            "Needs no connection. Run it with: psql -X -f FILE; it holds the ledger's rows,",
            "stops at the first error, and refuses a database in another state.",
        ],
        body: { invocation in
            Terminal.write(try MigrateReports.migrator(invocation).script(from: invocation.version("from")), to: 1)
            return .ok
        })
}

extension ExitStatus {
    /// Data would be lost, and nobody said that it may.
    static let notConfirmed = ExitStatus(code: 31)
}

extension Invocation {
    /// A version of a migration, with the zeros that were left out.
    func version(_ option: String) -> String? { value(option).map(Self.padded) }

    /// Four digits.
    static func padded(_ version: String) -> String {
        String(repeating: "0", count: max(0, 4 - version.count)) + version
    }
}

/// What `migrate down` does.
private enum MigrateDown {
    static func run(_ invocation: Invocation) async throws -> ExitStatus {
        let target = try target(invocation)
        let plan = try await MigrateReports.migrator(invocation).downPlan(target)
        guard !plan.undone.isEmpty else {
            Terminal.print(invocation.flag("json") ? MigrateReports.json(plan).text : "nothing to undo")
            return .ok
        }
        guard invocation.flag("yes") else {
            MigrateReports.show(plan, asJSON: invocation.flag("json"))
            throw CommandFault(
                .notConfirmed, "nothing was changed",
                remedy: "repeat with --yes to do this; what is lost does not come back")
        }
        let progress = MigrationProgress()
        defer { progress.finish() }
        let migrator = try MigrateReports.migrator(invocation) { progress.show($0) }
        let undone = try await invocation.shutdown.withCancellationOnRequest { try await migrator.down(target) }
        progress.finish()
        for name in undone { Terminal.print("undid \(name)") }
        Terminal.print("functions and views are gone until the next migrate up")
        return .ok
    }

    private static func target(_ invocation: Invocation) throws(CommandFault) -> RollbackTarget {
        let steps = try invocation.integer("steps", in: 1...9999)
        guard let version = invocation.operands.first else { return .steps(steps ?? 1) }
        guard steps == nil else {
            throw CommandFault(.usage, "VERSION and --steps exclude each other", remedy: "name one of them")
        }
        guard version.allSatisfy(\.isNumber), version.count <= 4 else {
            throw CommandFault(.usage, "VERSION must be four digits such as 0005", remedy: "it says \"\(version)\"")
        }
        return .version(Invocation.padded(version))
    }
}

extension MigrateReports {
    /// Shows what `down` would do.
    static func show(_ plan: Migrator.DownPlan, asJSON: Bool) {
        guard !asJSON else { return Terminal.print(json(plan).text) }
        for undo in plan.undone {
            Terminal.print("undo   \(undo.rollback.migration.name)")
            for loss in undo.dropped {
                Terminal.print("       drops \(loss.table) with \(loss.isEstimate ? "about " : "")\(loss.rows) rows")
            }
            for table in undo.thinned { Terminal.print("       deletes rows of \(table)") }
        }
        Terminal.print("drop   \(plan.codeCount) functions, views, policies and triggers, until the next migrate up")
        if plan.services > 0 {
            Terminal.print("note   \(plan.services) sessions of services are open: stop them first")
        }
    }

    /// The plan for scripts.
    static func json(_ plan: Migrator.DownPlan) -> JSONText {
        .object([
            "undo": .array(
                plan.undone.map { undo in
                    .object([
                        "name": .string(undo.rollback.migration.name),
                        "drops": .array(
                            undo.dropped.map { loss in
                                .object([
                                    "table": .string(loss.table), "rows": .integer(loss.rows),
                                    "estimated": .boolean(loss.isEstimate),
                                ])
                            }),
                        "deletes_from": .array(undo.thinned.map { .string($0) }),
                    ])
                }),
            "code_objects": .integer(plan.codeCount), "service_sessions": .integer(plan.services),
        ])
    }
}
