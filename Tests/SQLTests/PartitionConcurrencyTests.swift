import Postgres
import TestSupport
import Testing

/// `maintain_partitions()` beside readers, writers and other maintainers; its commits need sessions of their own.
@Suite struct PartitionConcurrencyTests {
    /// What the maintenance of the samples table counted.
    private static let counts =
        """
        select busy_total, failed_total, dropped_total from monitoring.partition_maintenance
        where table_name = 'monitoring.samples'
        """

    @Test func aLongReadPutsMaintenanceOffAndIsCounted() async throws {
        try await TestDatabase.withDatabase { database in
            let maintainer = try await database.connect()
            try await maintainer.execute("call monitoring.maintain_partitions()", timeout: .seconds(30))
            try await maintainer.execute(
                """
                select monitoring.create_partitions('monitoring.samples', now() - interval '9 days', now());
                update monitoring.partition_policies set retention = '8 days' where table_name = 'monitoring.samples';
                update monitoring.partition_holds set covered_until = now() where table_name = 'monitoring.samples';
                select monitoring.set_setting('partitions.lock_timeout', '30 ms');
                select monitoring.set_setting('partitions.attempts', '2');
                select monitoring.set_setting('partitions.retry_pause', '10 ms');
                """)
            let reader = try await database.connect()
            try await reader.execute("begin; select count(*) from monitoring.samples")
            try await maintainer.execute("call monitoring.maintain_partitions()", timeout: .seconds(30))
            let during = try await maintainer.query(Self.counts).single()
            #expect((0..<3).map { during[$0] } == ["2", "0", "0"])
            let writer = try await database.connect()
            #expect(try await writer.query("select monitoring.ingest_sample('beside', '{}', 1)").scalar == "t")
            #expect(
                try await writer.query("select problem from monitoring.partition_problems").map { $0[0] }
                    == ["expired_partition"])
            try await reader.execute("commit")
            try await maintainer.execute("call monitoring.maintain_partitions()", timeout: .seconds(30))
            let after = try await maintainer.query(Self.counts).single()
            #expect((0..<3).map { after[$0] } == ["2", "0", "1"])
            #expect(try await writer.query("select count(*) from monitoring.partition_problems").scalar == "0")
            for connection in [maintainer, reader, writer] { await connection.close() }
        }
    }

    @Test func severalMaintainersAtOnceDoTheWorkOnce() async throws {
        try await TestDatabase.withDatabase { database in
            let owner = try await database.connect()
            try await owner.execute(
                "update monitoring.partition_policies set premake = 12 where table_name = 'monitoring.samples'")
            try await withThrowingTaskGroup(of: Void.self) { group in
                for _ in 0..<3 {
                    group.addTask {
                        let maintainer = try await database.connect(as: "monitoring_service")
                        try await maintainer.execute("call monitoring.maintain_partitions()", timeout: .seconds(30))
                        await maintainer.close()
                    }
                }
                try await group.waitForAll()
            }
            let made = try await owner.query(
                """
                select count(*), count(distinct lower_bound), sum(failed_total)
                from monitoring.partitions natural join monitoring.partition_maintenance
                where table_name = 'monitoring.samples' and not is_default
                """)
            #expect(made[0][0] == "14")
            #expect(made[0][1] == "14")
            #expect(made[0][2] == "0")
            #expect(try await owner.query("select count(*) from monitoring.partition_problems").scalar == "0")
            await owner.close()
        }
    }

    @Test func aYearAheadPartitionsAreMadeAndInsertsSucceed() async throws {
        try await TestDatabase.withDatabase { database in
            let owner = try await database.connect()
            let nextYear = "now() + interval '1 year'"
            try await owner.execute("call monitoring_internal.maintain_partitions_at(\(nextYear))")
            let stored = try await owner.query(
                """
                select accepted from monitoring_internal.ingest_samples_at(
                    array['late'], array['{}']::jsonb[], array[1], array[\(nextYear)], null, \(nextYear))
                """)
            #expect(stored.scalar == "1")
            #expect(
                try await owner.query("select monitoring_internal.default_partition_rows('monitoring.samples')").scalar
                    == "0")
            let service = try await database.connect(as: "monitoring_service")
            let refusal = await #expect(throws: PostgresError.self) {
                try await service.execute("call monitoring_internal.maintain_partitions_at(now() + interval '9 years')")
            }
            #expect(refusal?.sqlState == "42501")
            await service.close()
            await owner.close()
        }
    }

    @Test func indexesAreBuiltOnEachPartitionAndBrokenOnesAreReported() async throws {
        try await TestDatabase.withDatabase { database in
            let owner = try await database.connect()
            let refusal = await #expect(throws: PostgresError.self) {
                try await owner.execute("create index concurrently samples_value_idx on monitoring.samples (value)")
            }
            #expect(refusal?.sqlState == "0A000")

            try await owner.execute("create index samples_value_idx on only monitoring.samples (value)")
            let partitions = try await owner.query(
                "select partition::text from monitoring_internal.partition_bounds('monitoring.samples')")
            for (number, partition) in partitions.enumerated() {
                let table = try #require(partition[0])
                try await owner.execute("create index concurrently value_\(number)_idx on \(table) (value)")
                try await owner.execute(
                    "alter index monitoring.samples_value_idx attach partition monitoring_partitions.value_\(number)_idx"
                )
            }
            #expect(try await owner.query("select count(*) from monitoring.partition_problems").scalar == "0")

            try await owner.execute(
                """
                select monitoring.ingest_samples(
                    array['a', 'b'], array['{}', '{}']::jsonb[], array[1, 1], array[now(), now()])
                """)
            let today = try #require(
                try await owner.query("select distinct tableoid::regclass::text from monitoring.samples").scalar)
            let broken = "create unique index concurrently if not exists once_idx on \(today) (value)"
            await #expect(throws: PostgresError.self) { try await owner.execute(broken) }
            // "if not exists" now takes the wreck for the index.
            try await owner.execute(broken)
            #expect(
                try await owner.query("select object_name from monitoring.partition_problems").map { $0[0] }
                    == ["monitoring_partitions.once_idx"])
            await owner.close()
        }
    }
}
