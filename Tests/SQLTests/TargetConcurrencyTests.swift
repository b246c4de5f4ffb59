import Postgres
import TestSupport
import Testing

/// What becomes of claims on targets when several services make them at once.
@Suite struct TargetConcurrencyTests {
    /// Claims and ends collections until none is due; returns how many it had, and the most that a target had at once.
    private static func work(_ database: Database) async throws -> (claims: Int, most: Int) {
        let connection = try await database.connect(as: "monitoring_service")
        let onlooker = try await database.connect()
        var claims = 0
        var most = 0
        var refusals = 0
        // A claim passes over targets that another is claiming from, so that an empty answer is not yet the end.
        while refusals < 20 {
            let rows = try await connection.query(
                "select * from monitoring_internal.claim_target_collections(gen_random_uuid(), 1)")
            guard rows.count == 1 else {
                refusals += 1
                continue
            }
            claims += 1
            let held = try await onlooker.query(
                """
                select coalesce(max(held.leases), 0) from (
                    select count(*) as leases from monitoring.collector_states
                    where lease_expires_at is not null and target_id <> 0 group by target_id) as held
                """)
            most = max(most, held.scalar.flatMap { Int($0) } ?? 0)
            _ = try await connection.query(
                """
                select monitoring_internal.finish_collection(
                    $1::integer, $2::bigint, 'skipped', 'tried', null, $3::integer)
                """, [rows[0]["collector_id"], rows[0]["fence"], rows[0]["target_database_id"]])
        }
        await connection.close()
        await onlooker.close()
        return (claims, most)
    }

    @Test func aTargetHasNoMoreRunsAtOnceThanItMayWhoeverClaimsThem() async throws {
        try await TestDatabase.withDatabase { database in
            let connection = try await database.connect()
            // Long intervals: what ran once is not due again while the test lasts.
            try await connection.execute(
                """
                update monitoring.collectors set custom_every = '1 year';
                select monitoring.add_target('one', 'host=one.example', max_connections => 2);
                select monitoring.add_target('two', 'host=two.example', max_connections => 2);
                update monitoring.collector_states set next_due_at = now() where target_id <> 0
                """)
            let due = try await connection.query(
                "select count(*) from monitoring.collector_states where target_id <> 0")
            let worked = try await withThrowingTaskGroup(of: (claims: Int, most: Int).self) { group in
                for _ in 0..<4 { group.addTask { try await Self.work(database) } }
                var claims = 0
                var most = 0
                for try await one in group {
                    claims += one.claims
                    most = max(most, one.most)
                }
                return (claims: claims, most: most)
            }
            #expect((1...2).contains(worked.most))
            #expect(String(worked.claims) == due.scalar)
            let runs = try await connection.query(
                """
                select count(*), count(distinct (collector_id, target_database_id)) from monitoring.collector_runs
                where target_database_id <> 0
                """)
            #expect(runs[0][0] == due.scalar)
            #expect(runs[0][1] == due.scalar)
            await connection.close()
        }
    }
}
