import EmbeddedPostgres
import Postgres
import Runtime
import TestSupport

@testable import Archiving

/// A store with two packed days of an archived class, some hundred samples each, old enough to be dropped.
struct ArchiveScene {
    let database: Database
    let admin: PostgresConnection

    static let instance = "00000000-0000-4000-8000-000000000001"
    static let firstDay = "2026-01-01"

    /// Runs `body` in such a store.
    static func with<R>(_ body: @escaping (ArchiveScene) async throws -> R) async throws -> R {
        try await TestDatabase.withDatabase { database in
            let admin = try await database.connect()
            let scene = ArchiveScene(database: database, admin: admin)
            try await admin.execute(setUp)
            let result = try await body(scene)
            await admin.close()
            return result
        }
    }

    /// An archiver on a session of its own.
    func withArchiver<R>(
        _ settings: ArchiveSettings, shutdown: GracefulShutdown = GracefulShutdown(),
        onProgress: @escaping @Sendable (Archiver.Progress) -> Void = { _ in },
        _ body: (Archiver) async throws -> R
    ) async throws -> R {
        let control = try await database.connect()
        let archiver = Archiver(
            control: control, configuration: database.configuration, instanceID: Self.instance, settings: settings,
            shutdown: shutdown, onProgress: onProgress)
        do {
            let result = try await body(archiver)
            await control.close()
            return result
        } catch {
            await control.close()
            throw error
        }
    }

    /// The first value of a query.
    func value(_ sql: String) async throws -> String? { try await admin.query(sql).scalar }

    /// Every sample of a day, to the last bit.
    func points(_ day: String = firstDay) async throws -> String? {
        try await value(
            """
            select md5(string_agg(format('%s %s %s %s', series.tenant_id, family.name || series.labels::text,
                extract(epoch from point.sampled_at), encode(float8send(point.value), 'hex')), ' '
                order by family.name, series.labels::text, point.sampled_at)) || ' ' || count(*)
            from monitoring_internal.read_points(array(select series_id from monitoring.series),
                '\(day) 00:00Z', timestamptz '\(day) 00:00Z' + interval '24 hours') as point
            inner join monitoring.series as series on series.series_id = point.series_id
            inner join monitoring.metric_families as family using (metric_family_id)
            """)
    }

    /// Deletes what may be deleted; how many rows.
    func cleanUp(at time: String = "2026-01-09 01:00Z") async throws -> Int {
        Int(try await value("select monitoring_internal.cleanup_old_metrics_at('\(time)')") ?? "") ?? -1
    }

    /// Marks what is due, as at `time`; it is due at once by the clock too.
    func mark(at time: String = "2026-01-09 01:00Z") async throws {
        _ = try await value("select monitoring_internal.archive_old_data_at('\(time)')")
    }

    /// The state of the first day's archive.
    func state() async throws -> String? {
        try await value("select state from monitoring.archives where day = '\(Self.firstDay)'")
    }

    /// Takes the time that files were read at back to the days of the scene, which are long gone by the clock.
    func settleVerification() async throws {
        try await admin.execute("update monitoring.archives set verified_at = '2026-01-09 00:30Z'")
    }

    private static let setUp = """
        create function public.settle(p_now timestamptz) returns void language plpgsql as $$
        declare
            v_rollup monitoring_internal.rollup_step;
        begin
            for v_round in 1..2 loop
                loop
                    v_rollup := monitoring_internal.refresh_next_rollup_at(9, null, p_now);
                    exit when v_rollup.action is null;
                end loop;
                while monitoring_internal.pack_next_at(p_now) is not null loop
                end loop;
            end loop;
        end
        $$;
        update monitoring.retention_classes set raw_retention = '4 days', rollup_1h = null
        where name = 'compliance';
        update monitoring.partition_policies set partition_interval = '1 day'
        where table_name in ('monitoring.sample_blocks', 'monitoring.time_vectors');
        select monitoring_internal.register_families(
            '[{"name": "evidence", "kind": "gauge", "retention_class": "compliance"}]');
        select monitoring.create_tenant('acme');
        select monitoring_internal.create_partitions_at(
            'monitoring.samples', '2026-01-01 00:00Z', '2026-01-08 12:00Z', '2026-01-08 12:00Z');
        select monitoring_internal.ingest_samples_at(
            array_agg('evidence'::text), array_agg(jsonb_build_object('n', n, 'path', E'C:\\\\a\\tb"')),
            array_agg(case i % 4 when 0 then '-0' when 1 then 1.0 / 3 * n else i * 0.1 end::double precision),
            array_agg(day.at + i * interval '3 minutes 1 microsecond'), tenant.tenant_id, day.at + interval '23 hours')
        from (values (timestamptz '2026-01-01 00:00Z'), ('2026-01-02 00:00Z'), ('2026-01-05 00:00Z'),
                ('2026-01-08 00:00Z')) as day (at),
            generate_series(0, 99) as i, generate_series(1, 5) as n, monitoring.tenants as tenant
        group by day.at, tenant.tenant_id
        order by day.at;
        select public.settle('2026-01-09 01:00Z');
        """
}
