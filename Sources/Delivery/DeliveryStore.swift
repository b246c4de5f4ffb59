import Postgres

/// The store's side of delivery: what is to be sent now, and what became of it.
struct DeliveryStore: Sendable {
    /// The channel on which the database says that there is something to send.
    static let channel = "pgvigil_deliveries"
    /// A call that takes longer means that the server hangs.
    static let limit = Duration.seconds(15)

    let connection: PostgresConnection
    let instanceID: String

    /// Leases up to `count` messages that are due.
    ///
    /// Its commit is not waited for: of a lease that a crash of the server undoes, the message is sent again, as it is of
    /// one whose report did not get through.
    func claim(_ count: Int) async throws(PostgresError) -> [ClaimedDelivery] {
        try await Self.claims(
            in: call(
                """
                select claim.*
                from (select set_config('synchronous_commit', 'off', true) as mode offset 0) as setting
                cross join lateral monitoring_internal.claim_deliveries(
                    $1::uuid, case when setting.mode = 'off' then $2::integer end) as claim
                """, [instanceID, String(count)]))
    }

    /// Reports how attempts ended; returns how many of them the store took, the others having lost their lease.
    func acknowledge(_ outcomes: [DeliveryOutcome]) async throws(PostgresError) -> Int {
        try await call("select \(Self.report) as taken", reportParameters(outcomes)).single()
            .decode("taken", as: Int.self)
    }

    /// Both in one transaction, which the disk has to confirm once.
    func acknowledge(
        _ outcomes: [DeliveryOutcome], claiming count: Int
    ) async throws(PostgresError) -> (taken: Int, claims: [ClaimedDelivery]) {
        let rows = try await call(
            """
            select report.taken, claim.*
            from (select \(Self.report) as taken offset 0) as report
            left join lateral monitoring_internal.claim_deliveries(
                $1::uuid, case when report.taken >= 0 then $9::integer end) as claim on true
            """, reportParameters(outcomes) + [String(count)])
        let taken = try rows.first?.decode("taken", as: Int.self) ?? 0
        return (taken, try Self.claims(in: rows))
    }

    private static let report = """
        monitoring_internal.ack_deliveries(
            $1::uuid, $2::bigint[], $3::bigint[], $4::integer[], $5::text[], $6::text[], $7::text[], $8::float8[])
        """

    private func reportParameters(_ outcomes: [DeliveryOutcome]) -> [String?] {
        [
            instanceID, ArrayText.text(outcomes.map { String($0.id) }),
            ArrayText.text(outcomes.map { String($0.fence) }),
            ArrayText.text(outcomes.map { $0.status.map { String($0) } }),
            ArrayText.text(outcomes.map(\.errorClass)), ArrayText.text(outcomes.map(\.retryAfter)),
            ArrayText.text(outcomes.map(\.response)), ArrayText.text(outcomes.map { String($0.seconds) }),
        ]
    }

    private static func claims(in rows: PostgresRows) throws(PostgresError) -> [ClaimedDelivery] {
        var claims: [ClaimedDelivery] = []
        for row in rows where row["delivery_id"] != nil { claims.append(try ClaimedDelivery(row: row)) }
        return claims
    }

    /// How long until something is due; nil when nothing waits.
    func delayUntilNext() async throws(PostgresError) -> Duration? {
        let answer = try await call(
            "select extract(epoch from monitoring_internal.next_delivery_delay())::float8", [])
        guard let text = answer.scalar, let seconds = Double(text) else { return nil }
        return .seconds(seconds)
    }

    /// Gives back what this process holds and has not sent.
    func release() async throws(PostgresError) {
        _ = try await call("select monitoring_internal.release_deliveries($1::uuid)", [instanceID])
    }

    private func call(_ statement: String, _ parameters: [String?]) async throws(PostgresError) -> PostgresRows {
        try await connection.query(statement, parameters, timeout: Self.limit)
    }
}
