import Glibc
import Postgres
import Runtime
import TestSupport
import Testing

@testable import Archiving

/// Places that refuse, stall, cut off or are not there: the day stays, with the reason, and nothing is called damaged.
@Suite struct PlaceFaultTests {
    private static func settings(_ receiver: BucketReceiver, slowSeconds: Int = 1) throws -> ArchiveSettings {
        var settings = try ArchiveSettings(
            target: "s3://box", endpoint: "http://127.0.0.1:\(receiver.port)", region: "eu-central-1",
            environment: ["AWS_ACCESS_KEY_ID": "AKIATEST", "AWS_SECRET_ACCESS_KEY": "geheim"])
        settings.slowSeconds = slowSeconds
        return settings
    }

    @Test("a bucket that refuses, fails, stalls or cuts off is told as such; a file that is there stays whole")
    func bucket() async throws {
        try await ArchiveScene.with { scene in
            let receiver = try BucketReceiver(accessKey: "AKIATEST", secretKey: "geheim", region: "eu-central-1")
            defer { receiver.stop() }
            let settings = try Self.settings(receiver)
            try await scene.mark()
            for (mischief, words) in [
                (BucketReceiver.Mischief.status(403, "AccessDenied"), "status 403, AccessDenied"),
                (.status(500, "InternalError"), "status 500, InternalError"),
            ] {
                receiver.mischief.withLock { $0 = mischief }
                let outcome = try await scene.withArchiver(settings) { try await $0.next() }
                guard case .failed(_, let error) = outcome else {
                    Issue.record("it did not fail")
                    return
                }
                #expect(error.contains(words), "\(error)")
                #expect(try await scene.value("select count(*) from monitoring.archives where state = 'due'") == "3")
                try await scene.admin.execute("update monitoring.archives set due_at = now() - interval '1 hour'")
            }
            receiver.mischief.withLock { $0 = .none }
            try await scene.withArchiver(settings) { archiver in while try await archiver.next() != nil {} }
            let id = try await Int64(
                scene.value("select archive_id from monitoring.archives where day = '2026-01-01'") ?? "")
            for (mischief, words) in [
                (BucketReceiver.Mischief.silence, "too slow"), (.half, "partial"),
                (.status(500, "SlowDown"), "status 500, slowdown"),
            ] {
                receiver.mischief.withLock { $0 = mischief }
                // What cannot be told is not a finding: the state stays as it was.
                try? await scene.withArchiver(settings) { try await $0.verify(id: try #require(id)) }
                let error = try await scene.value("select error from monitoring.archives where day = '2026-01-01'")
                #expect(
                    error?.lowercased().contains(words) == true || words == "too slow" && error != nil, "\(error ?? "")"
                )
                #expect(try await scene.state() == "verified")
            }
            receiver.mischief.withLock { $0 = .none }
            try await scene.withArchiver(settings) { try await $0.verify(id: try #require(id)) }
            #expect(try await scene.value("select error from monitoring.archives where day = '2026-01-01'") == nil)
        }
    }

    @Test("a stop while a bucket says nothing ends at once, and the day is given back")
    func stalled() async throws {
        try await ArchiveScene.with { scene in
            let receiver = try BucketReceiver(accessKey: "AKIATEST", secretKey: "geheim", region: "eu-central-1")
            defer { receiver.stop() }
            let settings = try Self.settings(receiver, slowSeconds: 60)
            receiver.mischief.withLock { $0 = .silence }
            try await scene.mark()
            let shutdown = GracefulShutdown()
            let begun = Monotonic.now()
            try OSThread.start(name: "stop") {
                usleep(300_000)
                shutdown.request()
                usleep(500_000)
                receiver.mischief.withLock { $0 = .none }
            }
            let fault = await #expect(throws: ArchiveFault.self) {
                try await scene.withArchiver(settings, shutdown: shutdown) { _ = try await $0.next() }
            }
            #expect(fault?.kind == .interrupted)
            #expect(Monotonic.now() - begun < .seconds(20))
            #expect(
                try await scene.value(
                    "select count(*) from monitoring.archives where lease_instance_id is not null or error is not null")
                    == "0")
        }
    }

    @Test("a folder that is gone or not mounted damages no file; one that cannot be made is told")
    func folder() async throws {
        try await ArchiveScene.with { scene in
            let folder = try TestFolder()
            let settings = try ArchiveSettings(target: "\(folder.path)/archive", environment: [:])
            try await scene.mark()
            try await scene.withArchiver(settings) { archiver in while try await archiver.next() != nil {} }
            let id = try await Int64(
                scene.value("select archive_id from monitoring.archives where day = '2026-01-01'") ?? "")
            rename("\(folder.path)/archive", "\(folder.path)/elsewhere")
            for isEmptyThere in [false, true] {
                if isEmptyThere { mkdir("\(folder.path)/archive", 0o700) }
                try? await scene.withArchiver(settings) { try await $0.verify(id: try #require(id)) }
                #expect(try await scene.state() == "verified")
                let error = try await scene.value("select error from monitoring.archives where day = '2026-01-01'")
                #expect(error?.contains("is its file system mounted?") == true, "\(error ?? "")")
            }
            rmdir("\(folder.path)/archive")
            rename("\(folder.path)/elsewhere", "\(folder.path)/archive")
            try await scene.withArchiver(settings) { try await $0.verify(id: try #require(id)) }
            // Nobody, not even root, makes a folder there.
            let fault = #expect(throws: ArchiveFault.self) {
                _ = try ArchiveSettings(target: "/proc/archive", environment: [:])
            }
            #expect(fault?.kind == .place)
            #expect(fault?.message.contains("cannot make /proc/archive") == true)
            try folder.write("x", to: "file")
            #expect(throws: ArchiveFault.self) {
                _ = try ArchiveSettings(target: "\(folder.path)/file/below", environment: [:])
            }
        }
    }

    @Test("a manifest that was edited is found out, whatever it says")
    func manifest() async throws {
        try await ArchiveScene.with { scene in
            let folder = try TestFolder()
            let settings = try ArchiveSettings(target: folder.path, environment: [:])
            try await scene.mark()
            try await scene.withArchiver(settings) { archiver in while try await archiver.next() != nil {} }
            let id = try await Int64(
                scene.value("select archive_id from monitoring.archives where day = '2026-01-01'") ?? "")
            let name = try #require(folder.files().first { $0.contains("01-01") && $0.hasSuffix("json") })
            let text = String(decoding: try Files.read("\(folder.path)/\(name)"), as: UTF8.self)
            for edited in [
                text.split(separator: "\"rows\": 1000").joined(separator: "\"rows\": 999"), text + " ",
                text.split(separator: "archive/1").joined(separator: "archive/2"),
                text.split(separator: "2026-01-01\"").joined(separator: "2026-01-02\""), "",
            ] {
                #expect(edited != text)
                try folder.write(edited, to: name)
                let fault = await #expect(throws: ArchiveFault.self) {
                    try await scene.withArchiver(settings) { try await $0.verify(id: try #require(id)) }
                }
                #expect(fault?.message == "the manifest is not what was written")
                #expect(try await scene.state() == "damaged")
                _ = try await scene.cleanUp()
                #expect(try await scene.points() != nil, "row 20: its day stays")
            }
            try folder.write(text, to: name)
            try await scene.withArchiver(settings) { try await $0.verify(id: try #require(id)) }
            #expect(try await scene.state() == "verified")
        }
    }
}
