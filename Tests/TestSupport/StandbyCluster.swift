package import EmbeddedPostgres
import Glibc
import Postgres
import Runtime
import Testing

extension TestCluster {
    /// Runs `body` with a primary of its own and a hot standby of it, made by pg_basebackup and streaming.
    ///
    /// - Throws: what `body` or starting either server throws.
    package static func withStandby<R>(
        _ options: EmbeddedCluster.Options = EmbeddedCluster.Options(),
        prepare: @escaping (_ primary: EmbeddedCluster) async throws -> Void,
        _ body: @escaping (_ primary: EmbeddedCluster, _ standby: EmbeddedCluster) async throws -> R
    ) async throws -> R {
        try await withCluster(options) { primary in
            try await prepare(primary)
            let folder = try temporaryFolder()
            do {
                try await backup(of: primary, to: folder)
                var options = options
                options.storage = .persistent(directory: folder)
                // A standby needs as many of these as its primary.
                options.settings.merge(
                    ["max_connections": "200", "shared_buffers": "16MB", "fsync": "off", "jit": "off"]
                ) { own, _ in own }
                let standby = try await EmbeddedCluster.start(options)
                do {
                    let result = try await withServerLog(of: standby) { try await body(primary, standby) }
                    await standby.stop()
                    try await remove(folder)
                    return result
                } catch {
                    await standby.stop()
                    throw error
                }
            } catch {
                try? await remove(folder)
                throw error
            }
        }
    }

    private static func temporaryFolder() throws -> String {
        var template = Array("/tmp/pgvigil-standby-XXXXXX".utf8CString)
        return try #require(mkdtemp(&template).map { String(cString: $0) })
    }

    /// A base backup in the place and with the owner that a cluster's data has, set up to follow the primary.
    private static func backup(of primary: EmbeddedCluster, to folder: String) async throws {
        try await succeed([
            "\(primary.binDirectory)/pg_basebackup", "-d", primary.conninfo(), "-D", "\(folder)/data", "-R",
            "-X", "stream", "-c", "fast", "--no-sync",
        ])
        try await succeed(["chown", "-R", "--reference=\(primary.directory)", folder])
    }

    private static func remove(_ folder: String) async throws {
        guard !keeps else { return print("kept: \(folder)") }
        try await succeed(["rm", "-rf", folder])
    }

    private static func succeed(_ command: [String]) async throws {
        let report = try await ChildProcess.run(
            command, environment: ["PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "HOME": "/"])
        try #require(report.isSuccess, "\(command.joined(separator: " ")): \(report.output)")
    }
}
