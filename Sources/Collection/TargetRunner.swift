import Postgres
import Runtime

/// Runs one leased collection on its target and brings the answers home.
struct TargetRunner: Sendable {
    let store: TargetStore
    let sessions: TargetSessions
    let memory: StatusMemory
    let log: Log

    /// A plan converges within so many rounds of questions; more would mean that it never does.
    private static let roundLimit = 64

    /// Why a collection ended early: on the target's side, which is reported, or on the store's, which cannot be.
    private enum Trouble: Error {
        case target(PostgresError)
        case store(PostgresError)
    }

    /// Runs the claim to its end, which is in the store's run log unless the store itself is out of reach.
    func run(_ claim: TargetClaim) async {
        do throws(PostgresError) {
            guard let target = try await store.description(of: claim.targetDatabaseID) else { return }
            note(try await run(claim, on: target, isRetry: false), of: claim)
        } catch {
            guard error.kind != .cancelled else { return }
            log.warning(
                "collector_unfinished",
                [
                    "collector": claim.collection.name, "target": claim.targetName, "error": error.description,
                    "sqlstate": error.sqlState ?? "",
                ])
        }
    }

    private func run(
        _ claim: TargetClaim, on target: TargetDescription, isRetry: Bool
    ) async throws(PostgresError) -> CollectionRun {
        let session: TargetSession
        let isKept: Bool
        do throws(PostgresError) {
            (session, isKept) = try await sessions.take(target)
        } catch {
            guard error.kind != .cancelled else { throw error }
            return try await store.fail(claim, sqlState: error.sqlState, Self.reason(error))
        }
        do throws(Trouble) {
            let run = try await collect(claim, session, asksFacts: !isKept || target.factsAreDue)
            sessions.giveBack(session)
            return run
        } catch {
            switch error {
            case .store(let error):
                // The session is as good as before.
                sessions.giveBack(session)
                throw error
            case .target(let error):
                return try await settle(error, claim, target, session, mayRetry: isKept && !isRetry)
            }
        }
    }

    /// Ends a claim after trouble on the target; a kept session that was lost meanwhile is worth one more attempt.
    private func settle(
        _ error: PostgresError, _ claim: TargetClaim, _ target: TargetDescription, _ session: TargetSession,
        mayRetry: Bool
    ) async throws(PostgresError) -> CollectionRun {
        guard session.isOpen, !error.isConnectionLost, error.kind != .cancelled, !Self.isOfWholeTarget(error) else {
            await sessions.discard(session)
            guard error.kind != .cancelled else { throw error }
            if error.isConnectionLost { await sessions.forget(target.targetID) }
            if mayRetry, error.isConnectionLost, error.kind != .timeout {
                return try await run(claim, on: target, isRetry: true)
            }
            return try await store.fail(claim, sqlState: error.sqlState, Self.reason(error))
        }
        sessions.giveBack(session)
        return try await store.finish(claim, error)
    }

    // MARK: The protocol

    private func collect(
        _ claim: TargetClaim, _ session: TargetSession, asksFacts: Bool
    ) async throws(Trouble) -> CollectionRun {
        let limits = claim.collection
        try await target { () throws(PostgresError) in
            try await session.begin(
                statement: limits.statementTimeoutMilliseconds, lock: limits.lockTimeoutMilliseconds)
        }
        if asksFacts { try await tellFacts(claim, session) }
        let plan = try await settledPlan(claim, session)
        var answers: [TargetAnswer] = []
        for statement in plan.compactMap(\.statement) {
            answers.append(
                try await target { () throws(PostgresError) in
                    try await session.answer(statement, patience: limits.patience)
                })
        }
        return try await home { () throws(PostgresError) in try await store.store(answers, for: claim) }
    }

    private func tellFacts(_ claim: TargetClaim, _ session: TargetSession) async throws(Trouble) {
        let query = try await home { () throws(PostgresError) in try await store.factsQuery() }
        let facts = try await target { () throws(PostgresError) in try await session.facts(query) }
        do throws(PostgresError) {
            try await store.report(facts: facts, of: claim.targetDatabaseID, fence: claim.collection.fence)
        } catch {
            // Another cluster, or one too old: the target's fault, although the store finds it.
            throw error.sqlState?.hasPrefix("PV60") == true ? .target(error) : .store(error)
        }
    }

    /// Asks the target about candidates until the store knows every statement.
    private func settledPlan(_ claim: TargetClaim, _ session: TargetSession) async throws(Trouble) -> [PlannedQuery] {
        for _ in 0..<Self.roundLimit {
            let plan = try await home { () throws(PostgresError) in try await store.plan(claim) }
            let open = plan.filter { $0.statement == nil && $0.body != nil }
            guard !open.isEmpty else { return plan }
            for query in open {
                let outcome = try await target { () throws(PostgresError) in
                    try await session.describe(query.body ?? "")
                }
                try await home { () throws(PostgresError) in try await store.report(outcome, of: query, claim) }
            }
        }
        throw .store(PostgresError(kind: .usage, attempted: "plan", message: "the plan never settles"))
    }

    private func home<R>(_ body: () async throws(PostgresError) -> R) async throws(Trouble) -> R {
        do throws(PostgresError) {
            return try await body()
        } catch {
            throw .store(error)
        }
    }

    private func target<R>(_ body: () async throws(PostgresError) -> R) async throws(Trouble) -> R {
        do throws(PostgresError) {
            return try await body()
        } catch {
            throw .target(error)
        }
    }

    /// Whether an error that left the session open speaks of more than the statement.
    private static func isOfWholeTarget(_ error: PostgresError) -> Bool {
        error.attempted == "connect" || error.sqlState?.hasPrefix("PV60") == true
    }

    // MARK: Words

    /// What the run log says: the server's or libpq's own words, and what mends it.
    private static func reason(_ error: PostgresError) -> String {
        guard error.sqlState == "PV606", let remedy = error.hint else { return error.message }
        return "\(error.message); \(remedy)"
    }

    private func note(_ run: CollectionRun, of claim: TargetClaim) {
        guard memory.isChange(run.status, of: claim.title) else { return }
        if run.isOK {
            log.info("collector_recovered", ["collector": run.name, "target": claim.targetName])
        } else {
            log.warning(
                "collector_not_ok",
                [
                    "collector": run.name, "target": claim.targetName, "status": run.status,
                    "sqlstate": run.sqlState ?? "",
                ])
        }
    }
}
