import Glibc
package import Postgres
import Runtime

/// A private PostgreSQL server of ours, reachable through its Unix socket alone.
///
/// It ends with the process that started it, even when that is killed.
package final class EmbeddedCluster: Sendable {
    /// The name of the superuser, who needs no password on the socket.
    package static let superuser = "postgres"

    /// The folder that holds the data, the log and, where its path is short enough, the socket.
    package let directory: String
    /// The server's programs.
    package let binaries: ServerBinaries

    let folder: ClusterFolder
    private let tcpPort: UInt16?
    let guardian: Guardian
    let admin = Lock<PostgresConnection?>(nil)

    private init(folder: ClusterFolder, tcpPort: UInt16?, guardian: Guardian) {
        self.folder = folder
        self.tcpPort = tcpPort
        self.guardian = guardian
        directory = folder.path
        binaries = folder.binaries
    }

    /// Makes the cluster if need be and starts it.
    ///
    /// - Throws: an error with a remedy and what initdb or the server said.
    package static func start(_ options: Options = Options()) async throws -> EmbeddedCluster {
        let binaries = try await ServerBinaries.find(environment: options.environment)
        let user = try ServerUser.choose()
        let folder: ClusterFolder
        var fate = Guardian.Fate.keep
        switch options.storage {
        case .temporary:
            folder = try ClusterFolder.temporary(user: user, binaries: binaries)
            fate = options.keepsDirectory ? .keep : .remove
        case .persistent(let directory):
            folder = try await ClusterFolder.persistent(directory, user: user, binaries: binaries)
        }
        let guardian = try await Guardian.start(directory: folder.path, binaries: binaries, user: user, fate: fate)
        let cluster = EmbeddedCluster(folder: folder, tcpPort: options.tcpPort, guardian: guardian)
        do {
            try await cluster.prepare(options)
            try await cluster.startServer()
        } catch {
            await guardian.dismiss()
            throw error
        }
        return cluster
    }

    /// The server's major version, such as 15.
    package var majorVersion: Int { binaries.majorVersion }

    /// The folder of the server's programs.
    package var binDirectory: String { binaries.directory }

    /// The folder of the socket.
    package var socketDirectory: String { folder.socketDirectory }

    /// The port, which names the socket too: 5432 unless the cluster listens on TCP.
    package var port: UInt16 { tcpPort ?? 5432 }

    /// A connection string for libpq, psql and pgvigil.
    package func conninfo(database: String = "postgres", user: String = superuser) -> String {
        let parts = [("host", socketDirectory), ("port", String(port)), ("dbname", database), ("user", user)]
        return parts.map { "\($0)=\(Self.quotedConninfoValue($1))" }.joined(separator: " ")
    }

    /// How to connect to one of the databases.
    package func configuration(
        database: String = "postgres", user: String = superuser, applicationName: String = "pgvigil"
    ) -> PostgresConfiguration {
        PostgresConfiguration(conninfo: conninfo(database: database, user: user), applicationName: applicationName)
    }

    /// The last lines of the server's log.
    package func logTail(lines: Int = 40) -> String { folder.logTail(lines: lines) }

    /// The psql command for looking into a database by hand.
    package func psqlCommand(database: String = "postgres") -> String {
        "psql \"\(conninfo(database: database))\""
    }

    /// A connection string over TCP, for a role with a password; the password is not in it.
    package func tcpConninfo(database: String = "postgres", user: String) -> String {
        "host=127.0.0.1 port=\(port) dbname=\(Self.quotedConninfoValue(database)) "
            + "user=\(Self.quotedConninfoValue(user))"
    }

    // MARK: Life

    /// Makes a standby a primary, and waits until it is one.
    package func promote() async throws { try await control("promote", ["promote"]) }

    /// Restarts the server: with a clean end for every session, or as after a crash.
    package func restart(immediate: Bool = false) async throws {
        await closeAdmin()
        try await control("stop", ["stop", "-m", immediate ? "immediate" : "fast"])
        try await startServer()
    }

    /// Ends the server cleanly; its data stays, and `startServer` brings it back.
    package func stopServer() async throws {
        await closeAdmin()
        try await control("stop", ["stop", "-m", "fast"])
    }

    /// Ends the server with SIGKILL, as the kernel does when memory runs out; `startServer` brings it back.
    package func killPostmaster() async throws {
        await closeAdmin()
        guard let pid = postmasterPID, kill(pid, SIGKILL) == 0 else {
            throw EmbeddedPostgresError("there is no server to kill")
        }
    }

    /// Stops the postmaster where it is, so that neither connections nor cancel requests get an answer; or lets it go on.
    package func setFrozen(_ isFrozen: Bool) throws {
        guard let pid = postmasterPID, kill(pid, isFrozen ? SIGSTOP : SIGCONT) == 0 else {
            throw EmbeddedPostgresError("there is no server to freeze")
        }
    }

    /// The process id of the server, while it runs.
    package var postmasterPID: Int32? { folder.postmasterPID }

    /// Starts the server again after `killPostmaster`.
    package func startServer() async throws {
        try folder.write("", to: folder.startMarker)
        defer { unlink(folder.startMarker) }
        try await control("start", ["start", "-l", folder.log])
    }

    /// Ends the cluster and waits for it; a temporary one is removed.
    package func stop() async {
        await closeAdmin()
        await guardian.dismiss()
        if socketDirectory != directory { rmdir(socketDirectory) }
    }

    // MARK: Preparation

    private func prepare(_ options: Options) async throws {
        if let version = folder.dataVersion {
            guard version == majorVersion else {
                throw EmbeddedPostgresError(
                    "the data in \(directory) is of PostgreSQL \(version), the server is \(majorVersion)",
                    remedy:
                        "Set \(ServerBinaries.variable) to a server of version \(version), or choose another folder.")
            }
        } else {
            let data = InitialData(folder: folder)
            switch (options.origin, options.storage) {
            case (.standby(let primary), _): try await data.copyFromPrimary(primary.conninfo())
            case (.backup(let conninfo), _): try await data.takeBackup(conninfo)
            case (.copy(let backup), _): try await data.copyBackup(backup)
            case (.twin(let other), _): try await data.copyStopped(other)
            case (.fresh, .temporary): try await data.copyFromCache(options.cacheDirectory)
            case (.fresh, .persistent): try await data.create()
            }
        }
        let library = try await folder.user.run([binaries.path("pg_config"), "--pkglibdir"], directory: directory)
        let module = String(library.output.prefix { $0 != "\n" }) + "/pg_stat_statements.so"
        let settings = options.serverSettings(
            socketDirectory: socketDirectory, hasStatementStatistics: access(module, F_OK) == 0)
        let lines = settings.sorted { $0.key < $1.key }.map { "\($0) = \(Self.quotedSetting($1))\n" }
        try folder.write("include 'pgvigil.conf'\n", to: "\(folder.data)/postgresql.conf")
        try folder.write(lines.joined(), to: "\(folder.data)/pgvigil.conf")
        if options.tcpPort != nil { try folder.write(Options.passwordRules, to: "\(folder.data)/pg_hba.conf") }
        rename(folder.log, folder.log + ".old")
    }

    private func control(_ verb: String, _ arguments: [String]) async throws {
        let command = [binaries.path("pg_ctl"), "-s", "-w", "-t", "60", "-D", folder.data]
        var report = try await folder.user.run(command + arguments, directory: directory)
        var attempts = 0
        while !report.isSuccess, verb == "start", attempts < 50, isOldServerStillThere {
            attempts += 1
            try await ContinuousClock().sleep(for: .milliseconds(100))
            report = try await folder.user.run(command + arguments, directory: directory)
        }
        guard report.isSuccess else {
            throw EmbeddedPostgresError(
                "the private PostgreSQL server did not \(verb)", output: report.output + logTail())
        }
    }

    /// After a kill the old server's processes and its shared memory linger for a moment.
    private var isOldServerStillThere: Bool {
        let tail = logTail(lines: 5)
        return tail.contains("shared memory block") || tail.contains("already exists")
    }

    private func closeAdmin() async {
        let connection = admin.withLock { admin in
            defer { admin = nil }
            return admin
        }
        await connection?.close()
    }

    private static func quotedSetting(_ value: String) -> String {
        "'" + value.split(separator: "'", omittingEmptySubsequences: false).joined(separator: "''") + "'"
    }

    private static func quotedConninfoValue(_ value: String) -> String {
        let escaped = value.map { $0 == "'" || $0 == "\\" ? "\\\($0)" : "\($0)" }.joined()
        return "'\(escaped)'"
    }
}
