import Postgres
import TestSupport
import Testing

/// What ingest and COPY do when several sessions meet.
@Suite struct StoreConcurrencyTests {
    /// Ingests `count` new series of one metric at one time, in ascending or descending order.
    private static func ingest(_ connection: PostgresConnection, count: Int, descending: Bool) async throws -> [String?]
    {
        let row = try await connection.query(
            """
            select accepted, duplicate, rejected from monitoring.ingest_samples(
                array(select 'shared_total' from generate_series(1, $1::integer)),
                array(select jsonb_build_object('n', n) from generate_series(1, $1::integer) as n
                    order by case when $2::boolean then -n else n end),
                array(select 1.0::double precision from generate_series(1, $1::integer)),
                array(select date_trunc('minute', now()) from generate_series(1, $1::integer)))
            """, [String(count), String(descending)]
        ).single()
        return (0..<3).map { row[$0] }
    }

    /// Ingests growing batches, every other one in descending order; returns how many samples were stored.
    private static func ingestEverMore(_ database: Database, _ worker: Int) async throws -> Int {
        let connection = try await database.connect()
        var accepted = 0
        for round in 1...15 {
            let counts = try await ingest(
                connection, count: round * 20, descending: (worker + round).isMultiple(of: 2))
            accepted += counts[0].flatMap { Int($0) } ?? 0
        }
        await connection.close()
        return accepted
    }

    @Test("a day whose samples will not stand still is left to the next run, with PV221")
    func aDayThatChangesIsLeft() async throws {
        try await TestDatabase.withDatabase { database in
            let connection = try await database.connect()
            try await connection.execute(
                """
                create or replace function monitoring_internal.pack_next_at(p_now timestamptz)
                returns text language sql as $$ select 'again'::text $$
                """)
            let fault = await #expect(throws: PostgresError.self) {
                try await connection.execute("call monitoring.pack_samples()")
            }
            #expect(fault?.sqlState == "PV221")
            await connection.close()
        }
    }

    @Test func ingestersOfTheSameNewSeriesBothSucceed() async throws {
        try await TestDatabase.withDatabase { database in
            let first = try await database.connect()
            let second = try await database.connect(as: "monitoring_service")
            try await first.execute("begin")
            #expect(try await Self.ingest(first, count: 50, descending: false) == ["50", "0", "0"])
            async let late = Self.ingest(second, count: 60, descending: true)
            try await Self.waitUntilBlocked(second.backendPID, database)
            try await first.execute("commit")
            #expect(try await late == ["10", "50", "0"])
            let stored = try await first.query(
                "select count(*), count(distinct labels) from monitoring.metric_samples where metric = 'shared_total'")
            #expect(stored[0][0] == "60")
            #expect(stored[0][1] == "60")
            await first.close()
            await second.close()
        }
    }

    @Test func manyIngestersOfOverlappingSeriesNeverFail() async throws {
        try await TestDatabase.withDatabase { database in
            let accepted = try await withThrowingTaskGroup(of: Int.self) { group in
                for worker in 0..<4 {
                    group.addTask { try await Self.ingestEverMore(database, worker) }
                }
                return try await group.reduce(0, +)
            }
            let connection = try await database.connect()
            let stored = try await connection.query(
                """
                select count(*), count(distinct labels), (select count(*) from monitoring.rejected_samples)
                from monitoring.metric_samples where metric = 'shared_total'
                """)
            #expect(stored[0][0] == String(accepted))
            #expect(stored[0][1] == "300")
            #expect(stored[0][2] == "0")
            await connection.close()
        }
    }

    @Test func copyIsRefusedUnderRowSecurityAndGoesThroughStaging() async throws {
        try await TestDatabase.withDatabase { database in
            let owner = try await database.connect()
            try await owner.execute(
                """
                grant select, insert on monitoring.series to monitoring_service;
                create policy everything on monitoring.series using (true) with check (true);
                """)
            let service = try await database.connect(as: "monitoring_service")
            let refusal = await #expect(throws: PostgresError.self) {
                _ = try await Self.copy(
                    service, "monitoring.series (tenant_id, metric_family_id, labels)",
                    "00000000-0000-4000-8000-000000000001\t1\t{}\n")
            }
            #expect(refusal?.sqlState == "0A000")

            let batch = "6f1c2a0e-0000-4000-8000-000000000001"
            let lines = (1...1000).map { "\(batch)\tcopied_total\t{\"n\": \($0)}\t1e13\t\(Self.now)\n" }.joined()
            let columns = "monitoring_internal.staged_samples (batch_id, metric, labels, value, sampled_at)"
            try await service.execute("begin")
            #expect(try await Self.copy(service, columns, lines + lines) == 2000)
            let counts = try await service.query(
                "select accepted, duplicate, rejected from monitoring_internal.ingest_staged($1)", [batch])
            try await service.execute("commit")
            #expect((0..<3).map { counts[0][$0] } == ["1000", "1000", "0"])
            #expect(
                try await owner.query("select count(*) from monitoring_internal.staged_samples").scalar == "0")
            await service.close()
            await owner.close()
        }
    }

    /// The time that COPY reads as the server's own.
    private static let now = "now"

    /// Sends text by COPY and returns the number of rows.
    private static func copy(
        _ connection: PostgresConnection, _ target: String, _ text: String
    ) async throws -> Int {
        let rest = TextToSend(text)
        return try await connection.copyIn("copy \(target) from stdin") { rest.next() }
    }

    /// Returns once the backend waits for a lock.
    private static func waitUntilBlocked(_ pid: Int32, _ database: Database) async throws {
        let observer = try await database.connect()
        // Ends when the other waits, and fails after ten seconds.
        try await observer.execute(
            """
            do $$
            begin
                for number in 1..1000 loop
                    if cardinality(pg_blocking_pids(\(pid))) > 0 then
                        return;
                    end if;
                    perform pg_sleep(0.01);
                end loop;
                raise exception 'the other session waits for nothing';
            end
            $$
            """)
        await observer.close()
    }
}
