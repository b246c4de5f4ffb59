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
            try await admin.execute(ArchivedDays.setUp)
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
                order by series.tenant_id, family.name, series.labels::text, point.sampled_at)) || ' ' || count(*)
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
}
