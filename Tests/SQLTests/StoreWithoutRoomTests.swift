import EmbeddedPostgres
import Glibc
import Postgres
import TestSupport
import Testing

/// Packing on a disk that is full.
///
/// An empty file of a table is replaced by a link to /dev/full, where every write ends as on a full disk; that needs no
/// rights and no file system of its own. It was seen to fail when an error in making blocks was caught and the day
/// finished without its counts compared.
@Suite struct StoreWithoutRoomTests {
    private static let given =
        """
        select monitoring.set_setting('store.max_past', '3650 days'), monitoring.set_setting('store.pack_series', '2');
        update monitoring.partition_holds set covered_until = 'infinity' where name = 'rollups';
        select monitoring_internal.create_partitions_at(part.name, '2026-01-05', '2026-01-09', '2026-01-05')
        from unnest(array['monitoring.samples', 'monitoring.sample_blocks', 'monitoring.time_vectors']) as part (name);
        -- The last series' values are many and of all digits: they go out of line.
        select monitoring_internal.ingest_samples_at(array_agg('kept'::text),
            array_agg(jsonb_build_object('n', n::text)), array_agg(case when n = 6 then sin(m) else n end),
            array_agg('2026-01-05 00:00Z'::timestamptz + m * interval '1 minute'), null, '2026-01-08 12:00Z')
        from generate_series(0, 5759) as m cross join generate_series(1, 6) as n where m < 1440 or m > 4400;
        create table public.given as select * from monitoring.metric_samples where metric = 'kept';
        create view public.differences as
        select count(*) as number from public.given
        full join (select * from monitoring.metric_samples where metric = 'kept') as stored using (labels, sampled_at)
        where given.value is distinct from stored.value
        """
    private static let pack = "call monitoring_internal.pack_samples_at('2026-01-08 12:00Z')"
    private static let differences = "select number from public.differences"

    @Test("a full disk stops packing with its error and costs nothing, whichever file has no room; then it goes on")
    func full() async throws {
        try await TestDatabase.withDatabase { database in
            let admin = try await database.connect()
            try await admin.execute(Self.given, timeout: .seconds(90))
            let files = try await admin.query(
                """
                select pg_relation_filepath(coalesce(nullif(case when part.number = 3 then class.reltoastrelid end, 0),
                    class.oid)) as path
                from (values (1, 'monitoring.time_vectors'), (2, 'monitoring.sample_blocks'),
                    (3, 'monitoring.sample_blocks')) as part (number, name)
                cross join lateral monitoring_internal.partition_bounds(part.name::regclass) as bounds
                inner join pg_class as class on class.oid = bounds.partition
                where bounds.lower_bound <= '2026-01-05 00:00Z' and bounds.upper_bound > '2026-01-05 00:00Z'
                order by part.number
                """
            ).map { "\(database.cluster.directory)/data/\($0[0] ?? "")" }
            #expect(files.count == 3)
            for file in files {
                try await Self.withoutRoom(file) {
                    for _ in 0..<2 {
                        let packer = try await database.connect()
                        let error = await #expect(throws: PostgresError.self) {
                            try await packer.execute(Self.pack, timeout: .seconds(90))
                        }
                        #expect(error?.sqlState == "53100", "\(error?.message ?? "")")
                        await packer.close()
                        let state = try await Self.row(
                            database, "select monitoring_internal.packed_until(), number from public.differences")
                        #expect(state == ["-infinity", "0"], "\(file)")
                    }
                }
            }
            let packer = try await database.connect()
            try await packer.execute(Self.pack, timeout: .seconds(90))
            await packer.close()
            let state = try await Self.row(
                database,
                """
                select monitoring_internal.packed_until() = '2026-01-06 00:00Z', (
                        select sum(sample_count) from monitoring.sample_blocks) = 6 * 1440,
                    (select count(*) from monitoring.sample_blocks), number
                from public.differences
                """)
            #expect(state == ["t", "t", "6", "0"])
            await admin.close()
        }
    }

    /// A row, read by a session of its own: one that goes on would keep the file open that it knows.
    private static func row(_ database: Database, _ sql: String) async throws -> [String?] {
        let reader = try await database.connect()
        let rows = try await reader.query(sql, timeout: .seconds(90))
        await reader.close()
        return rows.columns.indices.map { rows[0][$0] }
    }

    /// Has writes to an empty file end as on a full disk while `body` runs.
    private static func withoutRoom(_ file: String, _ body: () async throws -> Void) async throws {
        var facts = stat()
        try #require(stat(file, &facts) == 0 && facts.st_size == 0, "\(file)")
        try #require(rename(file, file + ".aside") == 0 && symlink("/dev/full", file) == 0)
        do {
            try await body()
        } catch {
            try restore(file)
            throw error
        }
        try restore(file)
    }

    private static func restore(_ file: String) throws {
        try #require(unlink(file) == 0 && rename(file + ".aside", file) == 0)
    }
}
