import Postgres
import Runtime

/// The store's side of collecting from targets: who claims what, what is to be run there, and where answers go.
///
/// Many workers share a few sessions; no call holds one for longer than its own statement.
struct TargetStore: Sendable {
    private let pool: PostgresPool
    private let instanceID: String

    private static let limit = Duration.seconds(10)
    /// A large answer takes longer to be stored.
    private static let storeLimit = Duration.seconds(60)

    init(pool: PostgresPool, instanceID: String) {
        self.pool = pool
        self.instanceID = instanceID
    }

    /// Leases up to `count` collections that are due.
    func claim(_ count: Int) async throws(PostgresError) -> [TargetClaim] {
        let rows = try await query(
            "select * from monitoring_internal.claim_target_collections($1::uuid, $2::integer)",
            [instanceID, String(count)])
        var claims: [TargetClaim] = []
        for row in rows { claims.append(try TargetClaim(row: row)) }
        return claims
    }

    /// How long until something can be claimed; nil when that is not known.
    func delayUntilNext() async throws(PostgresError) -> Duration? {
        let answer = try await query("select monitoring_internal.next_target_collection_delay()", [])
        guard let text = answer.scalar, let seconds = Double(text) else { return nil }
        return .seconds(seconds)
    }

    /// How the database is reached; nil when it is no longer watched.
    func description(of targetDatabaseID: Int) async throws(PostgresError) -> TargetDescription? {
        let rows = try await query(
            "select * from monitoring_internal.open_target($1::integer)", [String(targetDatabaseID)])
        guard let row = rows.first else { return nil }
        return try TargetDescription(row: row)
    }

    /// How a target's main database is reached, by the target's name.
    ///
    /// - Throws: SQLSTATE PV607 when there is no such target.
    func mainDatabase(of name: String) async throws(PostgresError) -> (id: Int, description: TargetDescription) {
        let answer = try await query("select monitoring_internal.main_target_database($1) as id", [name])
        let id = try answer.single().decode("id", as: Int.self)
        guard let description = try await description(of: id) else {
            throw PostgresError(kind: .usage, attempted: "query", message: "the target was removed a moment ago")
        }
        return (id, description)
    }

    /// What a target is asked about itself.
    func factsQuery() async throws(PostgresError) -> String {
        try await query("select monitoring_internal.target_facts_query()", []).scalar ?? ""
    }

    /// Hands over what a target said of itself.
    ///
    /// - Throws: SQLSTATE PV604 for another cluster, PV605 for a server that is too old.
    func report(facts: String, of targetDatabaseID: Int, fence: Int?) async throws(PostgresError) {
        _ = try await query(
            "select monitoring_internal.report_target_facts($1::integer, $2::bigint, $3::jsonb)",
            [String(targetDatabaseID), fence.map { String($0) }, facts])
    }

    /// What is to be run for a claim, or asked first.
    func plan(_ claim: TargetClaim) async throws(PostgresError) -> [PlannedQuery] {
        let rows = try await query(
            """
            select * from monitoring_internal.plan_collection($1::integer, $2::integer, $3::bigint) order by "position"
            """, claim.identity)
        var queries: [PlannedQuery] = []
        for row in rows { queries.append(try PlannedQuery(row: row)) }
        return queries
    }

    /// Says what a target makes of a candidate: its columns, or the error.
    func report(
        _ outcome: Result<[String], PostgresError>, of query: PlannedQuery, _ claim: TargetClaim
    ) async throws(PostgresError) {
        var columns: String?
        var refusal: PostgresError?
        switch outcome {
        case .success(let names): columns = ArrayText.text(names)
        case .failure(let error): refusal = error
        }
        _ = try await self.query(
            """
            select monitoring_internal.report_candidate(
                $1::integer, $2::integer, $3::bigint, $4, $5::integer, $6::text[], $7, $8)
            """,
            claim.identity + [
                query.query, query.candidate.map { String($0) }, columns, refusal?.sqlState, refusal?.message,
            ])
    }

    /// Stores the answers and ends the claim, in one transaction.
    ///
    /// - Throws: SQLSTATE PV403 when the lease went to another.
    func store(_ answers: [TargetAnswer], for claim: TargetClaim) async throws(PostgresError) -> CollectionRun {
        let columns = [
            answers.map(\.rowsRead), answers.map(\.folded), answers.map(\.excluded), answers.map(\.gaps),
            answers.map(\.metrics), answers.map(\.labels), answers.map(\.values), answers.map(\.rows),
        ]
        return try await run(
            """
            select * from monitoring_internal.store_collection(
                $1::integer, $2::integer, $3::bigint, $4::bigint[], $5::bigint[], $6::bigint[], $7::text[], $8::text[],
                $9::text[], $10::text[], $11::text[])
            """, claim.identity + columns.map { ArrayText.text($0) }, of: claim, limit: Self.storeLimit)
    }

    /// Ends a claim whose statement the target refused or did not finish, while the session stays good.
    func finish(_ claim: TargetClaim, _ error: PostgresError) async throws(PostgresError) -> CollectionRun {
        try await run(
            """
            select * from monitoring_internal.finish_collection(
                $1::integer, $3::bigint, $4, $5, $6, p_target_database_id => $2::integer)
            """, claim.identity + [error.kind == .timeout ? "timed_out" : nil, error.message, error.sqlState], of: claim
        )
    }

    /// Ends a claim whose target could not be reached, or was lost.
    func fail(_ claim: TargetClaim, sqlState: String?, _ message: String) async throws(PostgresError) -> CollectionRun {
        try await run(
            """
            select * from monitoring_internal.report_target_failure($1::integer, $2::integer, $3::bigint, $4, $5)
            """, claim.identity + [sqlState, message], of: claim)
    }

    private func run(
        _ sql: String, _ parameters: [String?], of claim: TargetClaim, limit: Duration = Self.limit
    ) async throws(PostgresError) -> CollectionRun {
        let rows = try await query(sql, parameters, limit: limit)
        return try CollectionRun(name: claim.collection.name, row: rows.single())
    }

    /// A statement whose session was lost is sent once more: each of them is fenced, or changes nothing when repeated.
    private func query(
        _ sql: String, _ parameters: [String?], limit: Duration = Self.limit
    ) async throws(PostgresError) -> PostgresRows {
        do throws(PostgresError) {
            return try await queryOnce(sql, parameters, limit)
        } catch {
            guard error.isConnectionLost, !Task.isCancelled else { throw error }
            return try await queryOnce(sql, parameters, limit)
        }
    }

    private func queryOnce(
        _ sql: String, _ parameters: [String?], _ limit: Duration
    ) async throws(PostgresError) -> PostgresRows {
        do {
            return try await pool.withConnection { try await $0.query(sql, parameters, timeout: limit) }
        } catch let error as PostgresError {
            throw error
        } catch {
            throw PostgresError(kind: .cancelled, attempted: "query", message: "the task was cancelled")
        }
    }
}

extension TargetClaim {
    /// Collector, database and fence, as every function takes them.
    fileprivate var identity: [String?] {
        [String(collection.collectorID), String(targetDatabaseID), String(collection.fence)]
    }
}
