import Glibc
import Migrations
import Postgres
import Runtime

/// From words to exit status: parse, run, and turn every fault into one line.
enum Program {
    /// Changed at a release only; the ledger of migrations records it.
    static let version = "0.1.0"

    /// Runs the command that the words name.
    static func run(words: [String], signals: SignalRelay) async -> Int32 {
        do {
            var parser = ArgumentParser(root: Commands.root, words: words)
            let parsed = try parser.parse()
            if parsed.wantsVersion {
                Terminal.print("pgvigil \(version)")
                return ExitStatus.ok.code
            }
            guard !parsed.wantsHelp, let command = parsed.path.last, let body = command.body else {
                Terminal.write(HelpText.text(root: Commands.root, path: parsed.path), to: 1)
                return ExitStatus.ok.code
            }
            let title = ([Commands.root.name] + parsed.path.map(\.name)).joined(separator: " ")
            let invocation = Invocation(
                title: title, command: command, parsed: parsed, signals: signals,
                environment: { getenv($0).map { String(cString: $0) } },
                home: { HomeConnection.capture($0) })
            return try await body(invocation).code
        } catch {
            let fault = fault(from: error)
            Terminal.printError("pgvigil: \(fault.line)")
            return fault.status.code
        }
    }

    /// What the user is told about an error that reached the top.
    private static func fault(from error: any Error) -> CommandFault {
        switch error {
        case let fault as CommandFault: fault
        case let fault as MigrationFault:
            CommandFault(ExitStatus(code: fault.kind.rawValue), fault.message, remedy: fault.remedy)
        case let error as PostgresError: databaseFault(error)
        case is CancellationError: CommandFault(.failed, "interrupted", remedy: "run it again to finish")
        default: CommandFault(.failed, "\(error)")
        }
    }

    private static func databaseFault(_ error: PostgresError) -> CommandFault {
        if error.kind == .connection {
            return CommandFault(
                .cannotConnect, "cannot connect: \(error.message)",
                remedy: "check --dsn (or PGVIGIL_DSN, PGHOST, PGPORT, PGUSER, PGDATABASE) and that the server runs")
        }
        if error.kind == .cancelled { return CommandFault(.failed, "interrupted", remedy: "run it again to finish") }
        let code = error.sqlState.map { " (SQLSTATE \($0))" } ?? ""
        return CommandFault(.failed, error.message + code, remedy: error.hint ?? "")
    }
}
