import EmbeddedPostgres
import Glibc
import Postgres
import Runtime
import TestSupport
import Testing

@testable import Archiving

/// Archivers that are killed, and servers that crash under them, at any moment of claiming, writing and reporting.
@Suite struct ArchiveCrashTests {
    private static let patience = Duration.seconds(30)

    /// The program, which stands beside the test bundle, since both are built together.
    private static var program: String {
        var buffer = [CChar](repeating: 0, count: 4096)
        let count = readlink("/proc/self/exe", &buffer, buffer.count)
        let own = String(decoding: buffer.prefix(max(0, count)).map { UInt8(bitPattern: $0) }, as: UTF8.self)
        return own.split(separator: "/").dropLast().reduce("") { "\($0)/\($1)" } + "/pgvigil"
    }

    /// Where files go, and how the program is told.
    private struct Place {
        let settings: ArchiveSettings
        let arguments: [String]
        let environment: [String: String]

        init(_ arguments: [String], _ settings: ArchiveSettings, _ environment: [String: String] = [:]) {
            (self.settings, self.arguments, self.environment) = (settings, arguments, environment)
        }

        /// Starts `pgvigil archive` on a database.
        func start(_ words: [String], _ database: Database) throws -> ChildProcess {
            let own = ProcessEnvironment.variables().filter { !$0.key.hasPrefix("PG") && !$0.key.hasPrefix("AWS_") }
            let added = environment.merging(["PGVIGIL_DSN": database.conninfo]) { $1 }
            return try ChildProcess(
                [ArchiveCrashTests.program, "archive"] + words + arguments, environment: own.merging(added) { $1 },
                output: .null, errors: .null)
        }
    }

    private static func places(_ folder: TestFolder, _ receiver: BucketReceiver) throws -> [Place] {
        let keys = ["AWS_ACCESS_KEY_ID": "AKIATEST", "AWS_SECRET_ACCESS_KEY": "geheim"]
        let endpoint = "http://127.0.0.1:\(receiver.port)"
        return [
            Place(["--archive", folder.path], try ArchiveSettings(target: folder.path, environment: [:])),
            Place(
                ["--archive", "s3://box/deep", "--archive-endpoint", endpoint],
                try ArchiveSettings(target: "s3://box/deep", endpoint: endpoint, environment: keys), keys),
        ]
    }

    @Test(
        "an archiver killed and a server crashed at fifty seeded moments leave nothing that counts and is not whole",
        .timeLimit(.minutes(5)))
    func killed() async throws {
        var chance = SeededChance(20_260_101, for: "archivers are killed")
        let folder = try TestFolder()
        let receiver = try BucketReceiver(accessKey: "AKIATEST", secretKey: "geheim", region: "us-east-1")
        defer { receiver.stop() }
        let places = try Self.places(folder, receiver)
        try await TestCluster.withDatabase { database in
            var scene = ArchiveScene(database: database, admin: try await database.connect())
            try await scene.admin.execute(ArchivedDays.setUp, timeout: Self.patience)
            let before = try await scene.points()
            try await scene.mark()
            for round in 0..<50 {
                let moment = chance.next()
                let place = places[round % 2]
                // Every day is to be written anew, as after the lease of whoever was killed.
                try await scene.admin.execute(
                    "update monitoring.archives set state = 'due', due_at = now(), lease_instance_id = null, "
                        + "lease_expires_at = null")
                if round % 10 == 0 { #expect(try await scene.cleanUp() == 0, "what is not archived stays") }
                let archiver = try place.start(["run"], database)
                scene = try await Self.end(archiver, scene, round, moment)
                try await Self.expectWhole(scene, place, "PGVIGIL_SEED=\(chance.seed), round \(round)")
                #expect(try await scene.points() == before, "PGVIGIL_SEED=\(chance.seed), round \(round)")
            }
            try await Self.expectEnd(scene, places[0], folder, before, &chance)
            #expect(receiver.refusals.withLock { $0 } == [])
            await scene.admin.close()
        }
    }

    /// Waits a moment by chance and kills the archiver, or the server that it works with; returns the scene after it.
    private static func end(
        _ archiver: ChildProcess, _ scene: ArchiveScene, _ round: Int, _ moment: UInt64
    ) async throws -> ArchiveScene {
        try await scene.admin.execute("select pg_sleep(\((moment >> 20) % 200) / 1000.0)", timeout: patience)
        let crash: Crash? = round % 10 == 7 ? .server : [15, 34].contains(round) ? .postmaster : nil
        if let crash {
            let victim = try await scene.database.connect()
            let admin = try await crash.strike(victim, scene.admin, scene.database)
            await victim.close()
            // It ends by itself, with its session lost, or goes on if it had none at that moment.
            _ = await archiver.wait()
            return ArchiveScene(database: scene.database, admin: admin)
        }
        archiver.signal(SIGKILL)
        _ = await archiver.wait()
        // The server ends its sessions when it finds them alone; what they still do counts as done before the kill.
        try await scene.admin.waitUntil(
            """
            select not exists (
                select from pg_stat_activity
                where datname = current_database() and application_name = 'pgvigil archive')
            """)
        return scene
    }

    /// Reads every file again that counts; what was in hand is taken over as after its lease.
    private static func expectWhole(_ scene: ArchiveScene, _ place: Place, _ comment: String) async throws {
        try await scene.admin.execute(
            "update monitoring.archives set lease_instance_id = null, lease_expires_at = null")
        let counting = try await scene.admin.query(
            "select archive_id from monitoring.archives where state = 'verified'")
        try await scene.withArchiver(place.settings) { archiver in
            for row in counting {
                do {
                    try await archiver.verify(id: try row.decode("archive_id"))
                } catch {
                    Issue.record("\(comment): \(error)")
                }
            }
        }
    }

    /// Writes what is left, drops it, and brings it back through restorations that are killed too.
    private static func expectEnd(
        _ scene: ArchiveScene, _ place: Place, _ folder: TestFolder, _ before: String?, _ chance: inout SeededChance
    ) async throws {
        try await scene.admin.execute("update monitoring.archives set state = 'due', due_at = now()")
        #expect(await (try place.start(["run"], scene.database)).wait() == .exited(0))
        try await expectWhole(scene, place, "in the end")
        #expect(folder.files().count == 6, "\(folder.files())")
        try await scene.settleVerification()
        #expect(try await scene.cleanUp() > 0)
        #expect(try await scene.points() == nil)
        var scene = scene
        let restore = ["restore", "compliance", ArchiveScene.firstDay]
        for round in 5..<9 {
            let restoring = try place.start(restore, scene.database)
            scene = try await end(restoring, scene, round, chance.next())
            try await scene.admin.execute(
                "update monitoring.archives set lease_instance_id = null, lease_expires_at = null")
        }
        #expect(await (try place.start(restore, scene.database)).wait() == .exited(0))
        #expect(try await scene.points() == before, "PGVIGIL_SEED=\(chance.seed): to the last bit, once")
        _ = try await scene.value("select public.settle('2026-01-09 02:00Z')")
        #expect(try await scene.points() == before, "PGVIGIL_SEED=\(chance.seed): as blocks too")
    }
}
