import Glibc
import Postgres
import Runtime
import TestSupport
import Testing

@testable import Archiving

/// Days leave the store through files and come back identical; nothing is dropped whose file is not whole.
@Suite struct ArchiveTests {
    @Test("C-01, C-02, C-12: a day is written, read back, dropped and restored to the last bit")
    func roundTrip() async throws {
        try await ArchiveScene.with { scene in
            let folder = try TestFolder()
            let settings = try ArchiveSettings(target: folder.path, environment: [:])
            let before = try await scene.points()
            #expect(before?.hasSuffix(" 1000") == true)
            #expect(try await scene.cleanUp() == 0, "nothing goes before it is archived")
            try await scene.mark()
            try await scene.withArchiver(settings) { archiver in
                while let outcome = try await archiver.next() {
                    guard case .done = outcome else {
                        Issue.record("\(outcome)")
                        break
                    }
                }
            }
            #expect(folder.files().count == 6, "\(folder.files())")
            #expect(folder.files().allSatisfy { !$0.hasSuffix(".partial") })
            try await scene.settleVerification()
            #expect(try await scene.cleanUp() > 0)
            #expect(try await scene.points() == nil)
            let id = try await Int64(
                scene.value("select archive_id from monitoring.archives where day = '2026-01-01'") ?? "")
            let restored = try await scene.withArchiver(settings) { archiver in
                try await archiver.restore(id: try #require(id), keep: nil)
            }
            #expect(restored == (1000, 1000))
            #expect(try await scene.points() == before)
            let again = try await scene.withArchiver(settings) { archiver in
                try await archiver.restore(id: try #require(id), keep: nil)
            }
            #expect(again == (1000, 0), "what is there is not stored twice")
            _ = try await scene.value("select public.settle('2026-01-09 02:00Z')")
            #expect(try await scene.points() == before, "as blocks too")
            try await scene.settleVerification()
            #expect(try await scene.cleanUp(at: "2026-01-09 02:00Z") == 0, "and it is not deleted at once")
        }
    }

    @Test("row 20: a file that is cut, changed, missing or another's is found out and stops the drop")
    func damage() async throws {
        try await ArchiveScene.with { scene in
            let folder = try TestFolder()
            let settings = try ArchiveSettings(target: folder.path, environment: [:])
            try await scene.mark()
            try await scene.withArchiver(settings) { archiver in while try await archiver.next() != nil {} }
            let row = try await scene.admin.query(
                "select archive_id, file_name from monitoring.archives where day = '2026-01-01'"
            ).single()
            let id = try row.decode("archive_id", as: Int64.self)
            let name = try row.decode("file_name", as: String.self)
            let path = "\(folder.path)/\(name)"
            let whole = try Files.read(path)
            let manifest = String(name.dropLast(3)) + ".json"
            let other = try Files.read(
                "\(folder.path)/" + (folder.files().first { $0.contains("01-02") && $0.hasSuffix("gz") } ?? ""))
            var flipped = whole
            flipped[whole.count / 2] ^= 1
            for (bytes, words) in [
                (Array(whole.dropLast(20)), ["bytes, "]), (flipped, ["file"]),
                // Of equal length by chance it is known by its first line.
                (other, ["bytes", "another class, day"]), ([], ["has 0 bytes"]),
            ] {
                try folder.write(bytes, to: name)
                let fault = await #expect(throws: ArchiveFault.self) {
                    try await scene.withArchiver(settings) { try await $0.verify(id: id) }
                }
                #expect(fault?.isFinding == true)
                let message = fault?.message ?? ""
                #expect(words.contains { message.contains($0) }, "\(message)")
                #expect(try await scene.state() == "damaged")
                _ = try await scene.cleanUp()
                #expect(try await scene.points() != nil, "row 20: the day stays")
            }
            unlink(path)
            let missing = await #expect(throws: ArchiveFault.self) {
                try await scene.withArchiver(settings) { try await $0.verify(id: id) }
            }
            #expect(missing?.kind == .missing)
            try folder.write(whole, to: name)
            try folder.write("{}", to: manifest)
            let forged = await #expect(throws: ArchiveFault.self) {
                try await scene.withArchiver(settings) { try await $0.verify(id: id) }
            }
            #expect(forged?.message.contains("manifest") == true)
            // While the store has the day, it is written anew, under another name.
            try await scene.mark()
            try await scene.withArchiver(settings) { archiver in while try await archiver.next() != nil {} }
            #expect(try await scene.state() == "verified")
            #expect(folder.files().filter { $0.contains("01-01") }.count == 2, "\(folder.files())")
            #expect(!folder.files().contains(name))
        }
    }

    @Test("a place that cannot be written leaves the day as it was, with the reason")
    func unwritable() async throws {
        try await ArchiveScene.with { scene in
            let port = try freePort()
            let settings = try ArchiveSettings(
                target: "s3://box", endpoint: "http://127.0.0.1:\(port)",
                environment: ["AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "hush"])
            try await scene.mark()
            let outcome = try await scene.withArchiver(settings) { try await $0.next() }
            guard case .failed(_, let error) = outcome else {
                Issue.record("it did not fail")
                return
            }
            #expect(error.contains("cannot reach"))
            #expect(!error.contains("hush"))
            #expect(try await scene.state() == "due")
            #expect(try await scene.cleanUp() == 0)
        }
    }

    @Test("interrupted, a day is given back, and the next attempt finishes it")
    func interrupted() async throws {
        try await ArchiveScene.with { scene in
            let folder = try TestFolder()
            let settings = try ArchiveSettings(target: folder.path, environment: [:])
            let shutdown = GracefulShutdown()
            try await scene.mark()
            await #expect(throws: ArchiveFault.self) {
                try await scene.withArchiver(settings, shutdown: shutdown, onProgress: { _ in shutdown.request() }) {
                    _ = try await $0.next()
                }
            }
            #expect(folder.files().isEmpty, "\(folder.files())")
            #expect(
                try await scene.value("select count(*) from monitoring.archives where lease_instance_id is not null")
                    == "0")
            try await scene.withArchiver(settings) { archiver in while try await archiver.next() != nil {} }
            #expect(try await scene.state() == "verified")
        }
    }

    /// A port of the loopback address on which nobody listens.
    private func freePort() throws -> UInt16 {
        let receiver = try BucketReceiver(accessKey: "a", secretKey: "b", region: "r")
        receiver.stop()
        return receiver.port
    }
}
