import Postgres
import Runtime
import TestSupport
import Testing

@testable import Archiving

/// Days in a bucket, at a server that checks every signature.
@Suite struct BucketTests {
    private static func settings(_ receiver: BucketReceiver, secret: String = "geheim/+=") throws -> ArchiveSettings {
        try ArchiveSettings(
            target: "s3://box/tief in/", endpoint: "http://127.0.0.1:\(receiver.port)", region: "eu-central-1",
            environment: ["AWS_ACCESS_KEY_ID": "AKIATEST", "AWS_SECRET_ACCESS_KEY": secret])
    }

    @Test("a day goes to a bucket, is read back, restored and removed, each request signed as the server reckons")
    func roundTrip() async throws {
        try await ArchiveScene.with { scene in
            let receiver = try BucketReceiver(accessKey: "AKIATEST", secretKey: "geheim/+=", region: "eu-central-1")
            defer { receiver.stop() }
            let settings = try Self.settings(receiver)
            let before = try await scene.points()
            try await scene.mark()
            try await scene.withArchiver(settings) { archiver in while try await archiver.next() != nil {} }
            #expect(receiver.refusals.withLock { $0 } == [])
            let names = receiver.objects.withLock { $0.keys.sorted() }
            #expect(names.count == 6)
            #expect(names.allSatisfy { $0.hasPrefix("/box/tief%20in/compliance/2026/compliance-2026-01-") })
            try await scene.settleVerification()
            #expect(try await scene.cleanUp() > 0)
            let id = try await Int64(
                scene.value("select archive_id from monitoring.archives where day = '2026-01-01'") ?? "")
            _ = try await scene.withArchiver(settings) {
                try await $0.restore(id: try #require(id), keep: .seconds(60))
            }
            #expect(try await scene.points() == before)

            // A file that was cut in the bucket is found out.
            let name = try #require(names.first { $0.hasSuffix(".gz") })
            receiver.objects.withLock { $0[name]?.removeLast(9) }
            let fault = await #expect(throws: ArchiveFault.self) {
                try await scene.withArchiver(settings) { try await $0.verify(id: try #require(id)) }
            }
            #expect(fault?.kind == .damaged)
            receiver.objects.withLock { $0[name] = nil }
            let missing = await #expect(throws: ArchiveFault.self) {
                try await scene.withArchiver(settings) { try await $0.verify(id: try #require(id)) }
            }
            #expect(missing?.kind == .missing)

            // Past their own retention files are removed.
            try await scene.admin.execute(
                "update monitoring.archives set state = 'expired', due_at = now() where day = '2026-01-02'")
            try await scene.withArchiver(settings) { archiver in while try await archiver.next() != nil {} }
            #expect(receiver.objects.withLock { $0.keys.filter { $0.contains("01-02") } } == [])
        }
    }

    @Test("a wrong secret is refused with the server's word for it, and the day stays")
    func wrongSecret() async throws {
        try await ArchiveScene.with { scene in
            let receiver = try BucketReceiver(accessKey: "AKIATEST", secretKey: "another", region: "eu-central-1")
            defer { receiver.stop() }
            try await scene.mark()
            let outcome = try await scene.withArchiver(try Self.settings(receiver)) { try await $0.next() }
            guard case .failed(_, let error) = outcome else {
                Issue.record("it did not fail")
                return
            }
            #expect(error.contains("status 403, SignatureDoesNotMatch"))
            #expect(!error.contains("geheim"))
            #expect(try await scene.state() == "due")
        }
    }
}
