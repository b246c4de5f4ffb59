import Glibc
import Postgres
import Runtime
import TestSupport
import Testing

@testable import Archiving

/// Files of writers that were killed before they could report.
@Suite struct OrphanTests {
    /// The name of a file of the first day as a writer would have given it whose claim had this fence.
    private func name(_ scene: ArchiveScene, fence: Int, day: String = "2026-01-01", mark: String? = nil) async throws
        -> String
    {
        let own = try await scene.value("select mark from monitoring_internal.archive_identity")
        return "compliance/2026/compliance-\(day)-1-\(fence)-\(mark ?? own ?? "")"
    }

    @Test("orphans in a folder are listed, and removed when they may go; nothing else is touched")
    func folder() async throws {
        try await ArchiveScene.with { scene in
            let folder = try TestFolder()
            let settings = try ArchiveSettings(target: folder.path, environment: [:])
            try await scene.mark()
            try await scene.withArchiver(settings) { archiver in while try await archiver.next() != nil {} }
            let counted = folder.files()
            let (lost, young) = try await (name(scene, fence: 900), name(scene, fence: 901))
            let (alone, foreign) = try await (
                name(scene, fence: 902, day: "2026-01-03"), name(scene, fence: 900, mark: "0badcafe")
            )
            let old = [
                "\(lost).gz", "\(lost).json.partial", "\(alone).gz", "\(foreign).gz", "compliance/2026/notes.txt",
            ]
            for file in old + ["\(young).gz"] { try folder.write("x", to: file) }
            for file in old + counted { age("\(folder.path)/\(file)") }
            for isRemoving in [false, true] {
                let found = try await scene.withArchiver(settings) { try await $0.orphans(removing: isRemoving) }
                #expect(found.count == 1)
                #expect(found[0].fault == nil)
                #expect(
                    found[0].orphans == [
                        ArchiveOrphan(name: "\(lost).gz", obstacle: nil),
                        ArchiveOrphan(name: "\(lost).json.partial", obstacle: nil),
                        ArchiveOrphan(name: "\(young).gz", obstacle: "younger than 1 day"),
                        ArchiveOrphan(name: "\(alone).gz", obstacle: "nothing else holds its day"),
                    ])
                #expect(found[0].removed == (isRemoving ? 2 : 0))
            }
            #expect(
                Set(folder.files())
                    == Set(counted + ["\(alone).gz", "\(young).gz", "\(foreign).gz", "compliance/2026/notes.txt"]))
            #expect(try await scene.state() == "verified")
        }
    }

    @Test("orphans in a bucket are found page by page, each request signed; a bucket that may not be listed says so")
    func bucket() async throws {
        try await ArchiveScene.with { scene in
            let receiver = try BucketReceiver(accessKey: "AKIATEST", secretKey: "geheim", region: "eu-central-1")
            defer { receiver.stop() }
            let settings = try ArchiveSettings(
                target: "s3://box/tief in", endpoint: "http://127.0.0.1:\(receiver.port)", region: "eu-central-1",
                environment: ["AWS_ACCESS_KEY_ID": "AKIATEST", "AWS_SECRET_ACCESS_KEY": "geheim"])
            try await scene.mark()
            try await scene.withArchiver(settings) { archiver in while try await archiver.next() != nil {} }
            let counted = receiver.objects.withLock { Set($0.keys) }
            let lost = try await name(scene, fence: 900)
            for file in ["tief%20in/\(lost).gz", "tief%20in/\(lost).json", "other/\(lost).gz", "tief%20in/readme"] {
                receiver.objects.withLock { $0["/box/\(file)"] = [1] }
                receiver.times.withLock { $0["/box/\(file)"] = "2026-01-01T00:00:00.000Z" }
            }
            for name in counted { receiver.times.withLock { $0[name] = "2026-01-01T00:00:00.000Z" } }
            let found = try await scene.withArchiver(settings) { try await $0.orphans(removing: true) }
            #expect(receiver.refusals.withLock { $0 } == [])
            #expect(found.map(\.destination) == ["s3://box/tief in"])
            #expect(found[0].orphans.filter { $0.obstacle == nil }.map(\.name) == ["\(lost).gz", "\(lost).json"])
            #expect(
                receiver.objects.withLock { Set($0.keys) }
                    == counted.union(["/box/other/\(lost).gz", "/box/tief%20in/readme"]))
            receiver.mischief.withLock { $0 = .status(403, "AccessDenied") }
            let refused = try await scene.withArchiver(settings) { try await $0.orphans(removing: true) }
            #expect(
                refused[0].fault?.message.contains("cannot list s3://box/tief in/: status 403, AccessDenied") == true)
        }
    }

    @Test("what was left in the temporary folder goes when it is old, ours, and nothing else")
    func temporary() throws {
        let folder = try TestFolder()
        for name in [
            "pgvigil-archive-aaaaaa", "pgvigil-archive-bbbbbb", "pgvigil-archive-cccccc", "pgvigil-backup-aaaaaa",
        ] {
            mkdir("\(folder.path)/\(name)", 0o700)
            try folder.write("x", to: "\(name)/a.gz.partial")
        }
        try folder.write("x", to: "pgvigil-archive-bbbbbb/mine")
        for name in folder.files() where !name.contains("cccccc") { age("\(folder.path)/\(name)") }
        for name in ["aaaaaa", "bbbbbb"] { age("\(folder.path)/pgvigil-archive-\(name)") }
        for isRemoving in [false, true] {
            #expect(
                PrivateFolder.leftovers(in: folder.path, olderThan: 86_400, removing: isRemoving)
                    == ["\(folder.path)/pgvigil-archive-aaaaaa"])
        }
        #expect(folder.files().count == 4, "\(folder.files())")
        #expect(access("\(folder.path)/pgvigil-archive-aaaaaa", F_OK) != 0)
    }

    @Test("a page of names is read with its escapes, and what is none is refused")
    func page() throws {
        let page = try BucketPage(
            text: "<ListBucketResult><IsTruncated>true</IsTruncated><Contents><Key>a&amp;b&#x20;&#99;&amp;lt;</Key>"
                + "<LastModified>1970-01-02T00:00:01.000Z</LastModified></Contents>"
                + "<NextContinuationToken>t&quot;</NextContinuationToken></ListBucketResult>")
        #expect(page.files.map(\.name) == ["a&b c&lt;"])
        #expect(page.files.map(\.modifiedAt) == [86_401])
        #expect(page.next == "t\"")
        for text in ["", "<html>", "<ListBucketResult>", "<ListBucketResult><Contents></Contents></ListBucketResult>"] {
            #expect(throws: ArchiveFault.self) { _ = try BucketPage(text: text) }
        }
    }

    /// Makes a file or folder four days old.
    private func age(_ path: String) {
        var times = [
            timespec(tv_sec: time(nil) - 345_600, tv_nsec: 0), timespec(tv_sec: time(nil) - 345_600, tv_nsec: 0),
        ]
        utimensat(AT_FDCWD, path, &times, 0)
    }
}
