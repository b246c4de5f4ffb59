import Postgres
import Runtime
import TestSupport
import Testing

@testable import Archiving

/// The running service rebuilds indexes that are invalid or bloated.
@Suite struct IndexServiceTests {
    /// A clock on which an hour passes in a moment.
    private struct Hasty: Clock {
        var now: ContinuousClock.Instant { .now }
        var minimumResolution: Duration { .zero }

        func sleep(until deadline: ContinuousClock.Instant, tolerance: Duration?) async throws {
            try await ContinuousClock().sleep(for: .milliseconds(50))
        }
    }

    @Test(
        "P-09, S-23, row 84: the service rebuilds an invalid and a bloated index of a closed partition concurrently, and notes it"
    )
    func rebuilds() async throws {
        try await TestDatabase.withDatabase { database in
            let admin = try await database.connect()
            try await admin.execute(
                """
                update monitoring.settings set value = '0' where name = 'maintenance.rebuild_min_bytes';
                select monitoring_internal.create_partitions_at(
                    'monitoring.rejected_samples', '2026-01-01 00:00Z', '2026-01-02 00:00Z', '2026-01-01 12:00Z');
                insert into monitoring.rejected_samples (tenant_id, metric, reason, sampled_at, rejected_at)
                select monitoring.system_tenant_id(), 'metric_' || n, 'too_old', '2026-01-01 10:00Z',
                    timestamptz '2026-01-01 00:00Z' + n * interval '1 second'
                from generate_series(1, 20000) as n;
                delete from monitoring.rejected_samples where metric not like '%77';
                create table monitoring_partitions.broken (a integer);
                create index broken_idx on monitoring_partitions.broken (a);
                alter table monitoring_partitions.broken owner to monitoring_owner;
                update pg_index set indisvalid = false
                where indexrelid = 'monitoring_partitions.broken_idx'::regclass;
                """)
            try await admin.execute("vacuum (analyze) monitoring.rejected_samples")
            let listed = try await admin.query(
                "select index_name, reason from monitoring_internal.list_rebuilds()")
            #expect(listed.contains { $0["reason"] == "invalid" })
            #expect(listed.contains { $0["reason"] == "bloated" }, "\(listed.map { $0["index_name"] ?? "" })")
            let shutdown = GracefulShutdown()
            let service = IndexRebuilder(
                configuration: database.configuration, shutdown: shutdown, log: Log(level: .error) { _ in },
                clock: Hasty())
            async let running: Void = service.run()
            try await admin.waitUntil(
                """
                select count(*) filter (where reason = 'invalid') > 0 and count(*) filter (where reason = 'bloated') > 0
                    and bool_and(finished_at is not null)
                    and not exists (select from monitoring_internal.list_rebuilds())
                from monitoring.index_rebuilds
                """)
            shutdown.request()
            try await running
            let rebuilt = try await admin.query(
                """
                select rebuild.reason, rebuild.error, rebuild.bytes_after < rebuild.bytes_before as is_smaller,
                    index.indisvalid as is_valid
                from monitoring.index_rebuilds as rebuild
                inner join pg_index as index on index.indexrelid = rebuild.index_name::regclass
                """)
            for row in rebuilt {
                #expect(row["error"] == nil)
                #expect(row["is_valid"] == "t")
                #expect(row["reason"] == "invalid" || row["is_smaller"] == "t")
            }
            #expect(
                try await admin.query("select count(*) from monitoring_internal.claim_rebuild()").scalar == "0",
                "nothing is left to do")
            await admin.close()
        }
    }
}
