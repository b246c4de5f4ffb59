import Migrations
import Runtime

extension Command {
    /// The family of commands that install, upgrade and check.
    static let migrate = Command(
        name: "migrate", summary: "install and upgrade the schema, and check it",
        details: [
            "Needs no superuser: a role with CREATEROLE and CREATE on the database will do.",
            "Connect to the server itself, not through a pooler.",
        ],
        subcommands: [.migrateUp, .migrateDown, .migrateStatus, .migrateVerify, .migratePlan, .migrateScript])

    private static let migrateUp = Command(
        name: "up", summary: "apply what is pending and reload functions and views",
        options: [
            .dsn, .sqlFolder,
            .value("lock-wait", "TIME", "wait so long for another migration (default 10m)"),
            .value("lock-timeout", "TIME", "queue so long for one table's lock (default 2s)"),
            .value("retry-for", "TIME", "try a busy table again for so long (default 2m)"),
            .flag("reload", "load functions, views and grants even if nothing changed"),
        ],
        details: [
            "Each file is one transaction: a failing one leaves no trace. Running it",
            "again changes nothing. Many may run at once: one works, the others wait.",
        ],
        body: { invocation in try await MigrateUp.run(invocation) })

    private static let migrateStatus = Command(
        name: "status", summary: "show what is applied and what is pending", options: [.dsn, .sqlFolder, .json],
        body: { invocation in
            let status = try await MigrateReports.migrator(invocation).status()
            MigrateReports.show(status, asJSON: invocation.flag("json"))
            return .ok
        })

    private static let migrateVerify = Command(
        name: "verify", summary: "compare ledger, files and live objects; 3 if they differ",
        options: [.dsn, .sqlFolder, .json],
        details: [
            "Finds edited and missing files, pending migrations, functions, views and", "tables changed by hand.",
        ],
        body: { invocation in
            let verification = try await MigrateReports.migrator(invocation).verify()
            MigrateReports.show(verification, asJSON: invocation.flag("json"))
            return verification.findings.isEmpty ? .ok : .driftOrPending
        })

    private static let migratePlan = Command(
        name: "plan", summary: "show what up would do and which locks it would take",
        options: [.dsn, .sqlFolder, .json],
        body: { invocation in
            let plan = try await MigrateReports.migrator(invocation).plan()
            MigrateReports.show(plan, asJSON: invocation.flag("json"))
            return .ok
        })
}

extension CommandOption {
    /// The folder that stands in for the embedded files.
    static let sqlFolder = value("sql-dir", "DIR", "read SQL from a folder instead of this binary")
    /// Output for scripts.
    static let json = flag("json", "print one line of JSON")
}

/// What `migrate up` does.
private enum MigrateUp {
    static func run(_ invocation: Invocation) async throws -> ExitStatus {
        let progress = MigrationProgress()
        let migrator = try MigrateReports.migrator(invocation) { progress.show($0) }
        let outcome: Migrator.Outcome
        do {
            outcome = try await invocation.shutdown.withCancellationOnRequest { try await migrator.up() }
        } catch {
            progress.finish()
            throw error
        }
        progress.finish()
        for name in outcome.applied { Terminal.print("applied \(name)") }
        if let count = outcome.reloaded, count > 0 { Terminal.print("reloaded \(count) files") }
        for name in outcome.dropped { Terminal.print("dropped \(name), which no file names any longer") }
        for name in outcome.kept {
            Terminal.print("kept \(name): no file names it any longer, but something depends on it")
        }
        if outcome.changedNothing { Terminal.print("nothing to do: the database is up to date") }
        return .ok
    }
}
