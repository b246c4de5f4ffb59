import Migrations

/// What `migrate status`, `verify` and `plan` print.
enum MigrateReports {
    /// The migrator that the options describe.
    static func migrator(
        _ invocation: Invocation, onEvent: @escaping @Sendable (MigrationEvent) -> Void = { _ in }
    ) throws -> Migrator {
        var options = Migrator.Options(toolVersion: Program.version)
        if let wait = try invocation.duration("lock-wait") { options.lockWait = wait }
        if let timeout = try invocation.duration("lock-timeout") { options.lockTimeout = timeout }
        if let time = try invocation.duration("retry-for") { options.retryFor = time }
        options.reloadsAlways = invocation.flag("reload")
        return Migrator(
            source: invocation.value("sql-dir").map { .folder($0) } ?? .embedded,
            database: invocation.database(applicationName: "pgvigil migrate"), options: options, onEvent: onEvent)
    }

    static func show(_ status: Migrator.Status, asJSON: Bool) {
        guard !asJSON else { return Terminal.print(json(status).text) }
        for entry in status.applied {
            Terminal.print(
                "applied  \(entry.name)  \(entry.appliedAt) by \(entry.appliedBy), pgvigil \(entry.toolVersion)")
        }
        for name in status.pending { Terminal.print("pending  \(name)") }
        for name in status.changedFiles { Terminal.print("reload   \(name)") }
        for name in status.strayFunctions { Terminal.print("stray    function \(name): no file names it") }
        for fault in status.faults { Terminal.print("fault    \(fault)") }
        if status.isCurrent { Terminal.print("up to date") }
    }

    static func show(_ verification: Migrator.Verification, asJSON: Bool) {
        guard !asJSON else { return Terminal.print(json(verification).text) }
        for finding in verification.findings {
            Terminal.print("\(finding.kind.rawValue): \(finding.message); \(finding.remedy)")
        }
        for name in verification.strayFunctions { Terminal.print("note: function \(name) is named by no file") }
        guard verification.findings.isEmpty else { return }
        Terminal.print("verified: ledger, files and \(verification.comparedObjects) live objects agree")
    }

    static func show(_ plan: Migrator.Plan, asJSON: Bool) {
        guard !asJSON else { return Terminal.print(json(plan).text) }
        for planned in plan.files {
            let file = planned.migration
            let marks = file.directives.map(\.rawValue).sorted().map { ", \($0)" }.joined()
            Terminal.print("apply  \(file.name): \(file.statements.count) statements\(marks)")
            for fact in planned.locks { Terminal.print("       \(fact.lock) on \(fact.object): \(fact.effect)") }
        }
        if !plan.files.isEmpty || !plan.changedFiles.isEmpty {
            Terminal.print("reload \(plan.reloadCount) files, \(plan.changedFiles.count) of them changed")
        } else {
            Terminal.print("nothing to do: the database is up to date")
        }
    }
}

// MARK: JSON

extension MigrateReports {
    private static func json(_ status: Migrator.Status) -> JSONText {
        .object([
            "current": .boolean(status.isCurrent),
            "applied": .array(
                status.applied.map { entry in
                    .object([
                        "version": .string(entry.version), "name": .string(entry.name),
                        "checksum": .string(entry.checksum), "applied_at": .string(entry.appliedAt),
                        "applied_by": .string(entry.appliedBy), "tool_version": .string(entry.toolVersion),
                        "duration_ms": .optional(entry.durationMilliseconds), "breaking": .boolean(entry.isBreaking),
                    ])
                }),
            "pending": strings(status.pending), "reload": strings(status.changedFiles),
            "stray_functions": strings(status.strayFunctions), "faults": .array(status.faults.map(json)),
        ])
    }

    private static func json(_ verification: Migrator.Verification) -> JSONText {
        .object([
            "ok": .boolean(verification.findings.isEmpty),
            "compared_objects": .integer(verification.comparedObjects),
            "findings": .array(
                verification.findings.map { finding in
                    .object([
                        "kind": .string(finding.kind.rawValue), "message": .string(finding.message),
                        "remedy": .string(finding.remedy),
                    ])
                }),
            "stray_functions": strings(verification.strayFunctions),
        ])
    }

    private static func json(_ plan: Migrator.Plan) -> JSONText {
        .object([
            "apply": .array(
                plan.files.map { planned in
                    .object([
                        "name": .string(planned.migration.name),
                        "statements": .integer(planned.migration.statements.count),
                        "directives": strings(planned.migration.directives.map(\.rawValue).sorted()),
                        "locks": .array(
                            planned.locks.map { fact in
                                .object([
                                    "lock": .string(fact.lock), "object": .string(fact.object),
                                    "effect": .string(fact.effect),
                                ])
                            }),
                    ])
                }),
            "reload_changed": strings(plan.changedFiles), "reload_total": .integer(plan.reloadCount),
        ])
    }

    private static func json(_ fault: MigrationFault) -> JSONText {
        .object([
            "exit_status": .integer(Int(fault.kind.rawValue)), "message": .string(fault.message),
            "remedy": .string(fault.remedy),
        ])
    }

    private static func strings(_ values: [String]) -> JSONText { .array(values.map { .string($0) }) }
}
