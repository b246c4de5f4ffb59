import Archiving
import Glibc
import Postgres
import Runtime

extension Command {
    /// `pgvigil archive`: days in files outside of the database.
    static let archive = Command(
        name: "archive",
        summary: "write days to files, check them, bring them back",
        subcommands: [
            Command(
                name: "list", summary: "list archived days", operands: .upTo(1, "[CLASS]"),
                options: [.dsn, .flag("json", "print one JSON object a day")],
                body: { try await ArchiveCommand($0).list() }),
            Command(
                name: "run", summary: "write, read again and remove what is due now", options: .archive,
                details: [
                    "A service with --archive does the same by itself. Classes are archived whose",
                    "is_archived in monitoring.retention_classes is true. Interrupted, it is simply",
                    "repeated. Exit status 61: a day could not be written, and is tried again later.",
                ],
                body: { try await ArchiveCommand($0).run() }),
            Command(
                name: "verify", summary: "read files again and compare them with their manifests",
                operands: .upTo(2, "[CLASS [DAY]]"),
                options: .archive + [.flag("remove-orphans", "remove files of ours that no archive knows")],
                details: [
                    "Exit status 60: a file is damaged or missing; its day is not dropped. Without a",
                    "CLASS it tells files of ours that no archive knows: of writers that were killed.",
                    "Interrupted, it ends with status 68, here and in the other commands.",
                ],
                body: { try await ArchiveCommand($0).verify() }),
            Command(
                name: "restore", summary: "bring a day back into the store", operands: .upTo(2, "CLASS DAY"),
                options: [.value("keep", "TIME", "keep it so long (default: archive.restore_hold)")] + .archive,
                details: [
                    "The file is checked as a whole first. Interrupted, it is simply repeated.",
                    "Exit status 63: the store has not as many samples of the day as the file.",
                ],
                body: { try await ArchiveCommand($0).restore() }),
        ])
}

extension [CommandOption] {
    /// The database, and where files are.
    static let archive: [CommandOption] = [
        .dsn, .value("archive", "PLACE", "a folder, or s3://BUCKET[/PREFIX]"),
        .value("archive-endpoint", "URL", "where the bucket is (default: AWS)"),
        .value("archive-region", "REGION", "the bucket's region (default: us-east-1)"),
        .value("archive-style", "STYLE", "path or host: where the bucket's name stands"),
        .value("archive-credentials", "FILE", "access key (else AWS_ACCESS_KEY_ID ...)"),
        .value("archive-ca", "FILE", "trust these certificates of the endpoint"),
    ]
}

extension ExitStatus {
    /// Work was interrupted; what was done counts, and running it again goes on.
    static let interrupted = ExitStatus(code: 68)
    /// A file of an archive is damaged or missing.
    static let damagedArchive = ExitStatus(code: 60)
    /// A day could not be written, read or removed.
    static let archiveFailed = ExitStatus(code: 61)
    /// There is no such archive, or it is in other hands.
    static let noArchive = ExitStatus(code: 62)
    /// What was restored is not all of the day.
    static let notRestored = ExitStatus(code: 63)
    /// The bucket's credentials are missing or cannot be read.
    static let noBucketCredentials = ExitStatus(code: 64)
}

extension Invocation {
    /// Where archives are, by the options.
    /// - Throws: `CommandFault` of status usage.
    func archiveSettings() throws(CommandFault) -> ArchiveSettings {
        do throws(ArchiveFault) {
            return try ArchiveSettings(
                target: value("archive"), endpoint: value("archive-endpoint"), region: value("archive-region"),
                style: value("archive-style"), caFile: value("archive-ca"),
                credentialsFile: value("archive-credentials"))
        } catch {
            throw CommandFault(error.kind == .setting ? .usage : .archiveFailed, error.message, remedy: error.remedy)
        }
    }
}

/// The commands that look after archives.
private struct ArchiveCommand {
    private let invocation: Invocation

    init(_ invocation: Invocation) { self.invocation = invocation }

    func list() async throws -> ExitStatus {
        let rows = try await withConnection { connection in
            try await connection.query(
                """
                select * from monitoring_internal.list_archives() as listed
                where listed.retention_class = coalesce($1, listed.retention_class)
                """, [invocation.operands.first])
        }
        if invocation.flag("json") {
            for row in rows { Terminal.print(TextTable.json(row)) }
        } else {
            Terminal.print(
                rows.isEmpty
                    ? "nothing is archived; classes with is_archived in monitoring.retention_classes are"
                    : TextTable(rows).text)
        }
        return .ok
    }

    func run() async throws -> ExitStatus {
        var status = ExitStatus.ok
        try await withArchiver { archiver, _ in
            var (done, failed) = (0, 0)
            while let outcome = try await archiver.next() {
                switch outcome {
                case .done(let claim):
                    done += 1
                    Terminal.print("\(claim.retentionClass) \(claim.day): \(Self.past[claim.action] ?? claim.action)")
                case .failed(let claim, let error):
                    failed += 1
                    Terminal.printError("pgvigil: \(claim.retentionClass) \(claim.day): \(error)")
                    status = .archiveFailed
                }
            }
            if done + failed == 0 { Terminal.print("nothing is due") }
        }
        return status
    }

    private static let past = ["write": "written and read back", "verify": "as it was written", "remove": "removed"]

    func verify() async throws -> ExitStatus {
        let archives = try await find()
        var status = ExitStatus.ok
        try await withArchiver { archiver, say in
            for archive in archives {
                do {
                    try await archiver.verify(id: try archive.decode("archive_id"))
                    say("\(Self.name(archive)): as it was written")
                } catch let fault as ArchiveFault {
                    guard fault.kind == .damaged || fault.kind == .missing else { throw fault }
                    say("\(Self.name(archive)): \(fault.kind.rawValue): \(fault.message)")
                    status = .damagedArchive
                }
            }
        }
        if archives.isEmpty { Terminal.print("nothing is archived") }
        if invocation.operands.isEmpty, try await tellOrphans() == .archiveFailed { return .archiveFailed }
        return status
    }

    /// Tells files that no archive knows, and removes them if so asked.
    private func tellOrphans() async throws -> ExitStatus {
        let removing = invocation.flag("remove-orphans")
        var status = ExitStatus.ok
        try await withArchiver { archiver, say in
            for report in try await archiver.orphans(removing: removing) {
                if let fault = report.fault {
                    say("\(report.destination): orphans were not looked for: \(fault.message)")
                    if removing { status = .archiveFailed }
                }
                for orphan in report.orphans {
                    let fate = orphan.obstacle.map { "kept: \($0)" } ?? (removing ? "removed" : "may be removed")
                    say("\(orphan.name): no archive knows it, \(fate)")
                }
            }
        }
        return status
    }

    func restore() async throws -> ExitStatus {
        guard invocation.operands.count == 2 else {
            throw CommandFault(.usage, "a class and a day are needed", remedy: "see: pgvigil archive list")
        }
        let keep = try invocation.duration("keep")
        guard let archive = try await find().first else { throw CommandFault(.noArchive, "there is no such archive") }
        try await withArchiver { archiver, say in
            let result = try await archiver.restore(id: try archive.decode("archive_id"), keep: keep)
            say("\(Self.name(archive)): \(result.samples) samples, of which \(result.stored) were not in the store")
        }
        return .ok
    }

    private static func name(_ row: PostgresRow) -> String { "\(row["retention_class"] ?? "") \(row["day"] ?? "")" }

    private func find() async throws -> PostgresRows {
        let operands = invocation.operands
        return try await withConnection { connection in
            try await connection.query(
                "select * from monitoring_internal.find_archives($1, $2::date, $2::date)",
                [operands.first, operands.dropFirst().first])
        }
    }

    // MARK: Sessions

    private func withConnection<R>(_ body: (PostgresConnection) async throws -> R) async throws -> R {
        let connection = try await PostgresConnection.connect(
            invocation.database(applicationName: "pgvigil archive"))
        do {
            let result = try await body(connection)
            await connection.close()
            return result
        } catch {
            await connection.close()
            throw Self.fault(error)
        }
    }

    /// Runs `body` with an archiver; what is said replaces the line of progress.
    private func withArchiver(
        _ body: (Archiver, (String) -> Void) async throws -> Void
    ) async throws {
        let settings = try invocation.archiveSettings()
        let progress = ProgressBar()
        try await withConnection { connection in
            let id = try await connection.query("select gen_random_uuid()").scalar ?? ""
            let archiver = Archiver(
                control: connection, configuration: invocation.database(applicationName: "pgvigil archive"),
                instanceID: id, settings: settings, shutdown: invocation.shutdown,
                onProgress: { progress.show("\($0.verb) \($0.what)", $0.share) })
            do {
                try await body(archiver) { text in
                    progress.clear()
                    Terminal.print(text)
                }
                progress.finish()
            } catch {
                progress.finish()
                throw error
            }
        }
    }

    private static func fault(_ error: any Error) -> any Error {
        if let fault = error as? ArchiveFault {
            let status: ExitStatus =
                switch fault.kind {
                case .damaged, .missing: .damagedArchive
                case .credentials: .noBucketCredentials
                case .setting: .usage
                case .interrupted: .interrupted
                case .place, .store, .newer: .archiveFailed
                }
            return CommandFault(status, fault.message, remedy: fault.remedy)
        }
        let interruption = CommandFault(.interrupted, "interrupted", remedy: "run it again to finish")
        if error is CancellationError { return interruption }
        guard let error = error as? PostgresError else { return error }
        if error.kind == .cancelled { return interruption }
        switch error.sqlState {
        case "PV240", "PV243": return CommandFault(.noArchive, error.message, remedy: error.hint ?? "")
        case "PV242", "PV244": return CommandFault(.notRestored, error.message, remedy: error.hint ?? "")
        default: return error
        }
    }
}
