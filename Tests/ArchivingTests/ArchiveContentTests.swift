import Glibc
import Postgres
import Runtime
import TestSupport
import Testing

@testable import Archiving

/// What is in files: details beside samples, formats old and new.
@Suite struct ArchiveContentTests {
    /// All that the wide names show of the first day.
    private static let rows = """
        select md5(string_agg(line, '|' order by line)) || ' ' || count(*) from (
            select row(shown.*)::text as line from monitoring.performance_metrics as shown
            where shown.metric_name = 'evidence' and shown.collected_at < '2026-01-02 00:00Z'
            union all
            select row(shown.*)::text from monitoring.platform_metrics as shown
            where shown."time" < '2026-01-02 00:00Z') as shown
        """

    /// Says something beside a hundred samples of the first day, and of three content items, for one of which alone there
    /// is a series.
    private static let say = """
        insert into monitoring.sample_details (series_id, sampled_at, tenant_id, tags, details)
        select point.series_id, point.sampled_at, series.tenant_id,
            jsonb_build_object('path', E'C:\\\\a\\tb\\n"é', 'i', extract(epoch from point.sampled_at)),
            jsonb_build_object('is_anomaly', 'true', 'created_at', point.sampled_at)
        from monitoring_internal.read_points(array(select series_id from monitoring.series),
            '2026-01-01 00:00Z', '2026-01-01 01:00Z') as point
        inner join monitoring.series as series on series.series_id = point.series_id;
        select monitoring_internal.register_families(
            '[{"name": "views", "kind": "gauge", "retention_class": "compliance"}]');
        select monitoring_internal.insert_platform_metric_at(jsonb_build_object('platform', 'video', 'metric_type', 'views',
                'content_id', E'tab\\there' || n, 'time', timestamptz '2026-01-01 05:00Z'), n / 3.0,
            '2026-01-01 05:01Z')
        from generate_series(1, 2) as n;
        select monitoring_internal.insert_platform_metric_at(jsonb_build_object('platform', 'video', 'metric_type', 'views',
                'content_id', 'third', 'time', timestamptz '2026-01-01 05:00Z'), 1e-300, '2026-01-01 05:01Z');
        """

    @Test("row 21: what rows say beside samples, and values of content items, leave and come back with their day")
    func details() async throws {
        try await ArchiveScene.with { scene in
            let folder = try TestFolder()
            let settings = try ArchiveSettings(target: folder.path, environment: [:])
            try await scene.admin.execute(Self.say)
            let before = try await scene.value(Self.rows)
            let count = Int(try await scene.value("select count(*) from monitoring.sample_details") ?? "") ?? 0
            #expect(count > 100)
            try await scene.mark()
            try await scene.withArchiver(settings) { archiver in while try await archiver.next() != nil {} }
            let manifest = try #require(folder.files().first { $0.contains("01-01") && $0.hasSuffix("json") })
            let text = String(decoding: try Files.read("\(folder.path)/\(manifest)"), as: UTF8.self)
            #expect(text.contains("\"details\": \(count),"))
            try await scene.settleVerification()
            #expect(try await scene.cleanUp() > count)
            #expect(try await scene.value("select count(*) from monitoring.sample_details") == "0")
            #expect(try await scene.value(Self.rows) == nil)
            let id = try await Int64(
                scene.value("select archive_id from monitoring.archives where day = '2026-01-01'") ?? "")
            for stored in [1000, 0] {
                let result = try await scene.withArchiver(settings) { archiver in
                    try await archiver.restore(id: try #require(id), keep: nil)
                }
                #expect(result.samples == 1000)
                #expect(result.stored == stored)
                #expect(try await scene.value(Self.rows) == before)
            }
            // A file whose details do not count up is found out, though all of it was written so.
            try await scene.admin.execute("update monitoring.archives set detail_count = detail_count + 1")
            let fault = await #expect(throws: ArchiveFault.self) {
                try await scene.withArchiver(settings) { try await $0.verify(id: try #require(id)) }
            }
            #expect(fault?.message.contains("details") == true, "\(fault?.message ?? "")")
        }
    }

    /// Writes a file of these lines and returns how a reader ends that knows what was written.
    private func reading(
        _ lines: [String], _ change: (inout ArchiveFacts) -> Void = { _ in }
    ) throws -> (samples: Int, details: Int, fault: ArchiveFault?) {
        let folder = try TestFolder()
        let path = "\(folder.path)/a.gz"
        var facts = ArchiveFacts(retentionClass: "compliance", day: "2026-01-01")
        let writer = try ArchiveFileWriter(path: path)
        for line in lines { try writer.add(Array((line + "\n").utf8)) }
        try writer.finish(&facts)
        change(&facts)
        let reader = try ArchiveFileReader(path: path, facts: facts)
        var (samples, details) = (0, 0)
        do throws(ArchiveFault) {
            while let line = try reader.next() {
                samples += line.samples
                details += line.isDetail ? 1 : 0
            }
            return (samples, details, nil)
        } catch {
            return (samples, details, error)
        }
    }

    private static let heading = "pgvigil-archive/1\tcompliance\t2026-01-01"
    private static let series = "00000000-0000-0000-0000-000000000000\tsystem\tevidence\tgauge\t{}\t{0,1}\t{1,-0}"
    private static let bare = "00000000-0000-0000-0000-000000000000\tsystem\tviews\tgauge\t{}\t{}\t{}"
    private static let detail = "+\t{\"at\": 0, \"tags\": {\"path\": \"a\\\\tb\"}}"

    @Test("files without details are read as before, and their manifests are the same to the byte")
    func old() throws {
        let result = try reading([Self.heading, Self.series]) {
            $0.rows = 2; $0.series = 1
        }
        #expect(result.fault == nil)
        #expect(result.samples == 2)
        var facts = ArchiveFacts(retentionClass: "compliance", day: "2026-01-01")
        facts.series = 1
        #expect(facts.manifest.contains("  \"series\": 1,\n  \"first_sample_at\""))
        #expect(!facts.manifest.contains("details"))
        facts.details = 7
        #expect(facts.manifest.contains("  \"series\": 1,\n  \"details\": 7,\n  \"first_sample_at\""))
    }

    @Test("details stand behind their series, which may have no sample; one that stands before any is damage")
    func lines() throws {
        let result = try reading([Self.heading, Self.series, Self.detail, Self.bare, Self.detail, Self.detail]) {
            $0.rows = 2
            $0.series = 2
            $0.details = 3
        }
        #expect(result.fault == nil, "\(result.fault?.message ?? "")")
        #expect(result.details == 3)
        for (lines, words) in [
            ([Self.heading, Self.detail], "before any series"),
            ([Self.heading, Self.series, Self.detail, Self.detail], "holds 2 details, 1 were written"),
            ([Self.heading, Self.series], "holds 0 details, 1 were written"),
            ([Self.heading, Self.series, "+\tno object"], "2 fields in place of 7"),
        ] {
            let found = try reading(lines) { facts in
                facts.rows = 2
                facts.series = 1
                facts.details = 1
            }
            #expect(found.fault?.kind == .damaged)
            #expect(found.fault?.message.contains(words) == true, "\(found.fault?.message ?? "")")
        }
    }

    @Test("a file of a newer format is refused as such while it is whole, and is damaged when it is not")
    func newer() throws {
        let lines = ["pgvigil-archive/2\tcompliance\t2026-01-01", "who knows"]
        let whole = try reading(lines)
        #expect(whole.fault?.kind == .newer)
        #expect(whole.fault?.isFinding == false, "its day is not written again over it")
        #expect(
            whole.fault?.message == "the file is of format pgvigil-archive/2, this program reads pgvigil-archive/1")
        #expect(try reading(lines) { $0.fileSHA256 = "0" }.fault?.kind == .damaged)
        for first in ["pgvigil-archive/\tcompliance", "pgvigil-archive/x", "another/2", ""] {
            #expect(try reading([first]).fault?.kind == .damaged, "\(first)")
        }
    }
}
