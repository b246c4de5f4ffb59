import Collection
import Postgres
import Runtime

extension Command {
    /// `pgvigil collect [NAME...]`: run collectors by hand.
    static let collect = Command(
        name: "collect",
        summary: "run collectors now and show what each one measured",
        operands: .upTo(100, "[NAME...]"),
        options: [.dsn, .flag("json", "print one JSON object a collector")],
        details: [
            "Runs the named collectors, or all that are enabled, whether due or not.",
            "One that a service is running at this moment is left out.",
            "Exit status 1 when one of them failed, timed out or is unavailable.",
        ],
        body: { try await CollectCommand(invocation: $0).run() })
}

/// Runs collectors on one session and prints a line for each.
private struct CollectCommand {
    let invocation: Invocation

    func run() async throws -> ExitStatus {
        let session = try await CollectionSession.open(invocation.database(), instanceID: nil)
        let runs = Lock<[CollectionRun]>([])
        let isJSON = invocation.flag("json")
        do {
            try await session.collect(invocation.operands) { run in
                runs.withLock { $0.append(run) }
                if isJSON { Terminal.print(CollectReport.json(run).text) }
            }
        } catch {
            await session.close()
            throw error
        }
        await session.close()
        let done = runs.withLock { $0 }
        if !isJSON { Terminal.print(CollectReport.table(done)) }
        let missing = invocation.operands.filter { name in !done.contains { $0.name == name } }
        for name in missing {
            Terminal.printError("pgvigil: collector \"\(name)\" was left out: a service is running it at this moment")
        }
        return done.allSatisfy(\.isOK) && missing.isEmpty ? .ok : .failed
    }
}
