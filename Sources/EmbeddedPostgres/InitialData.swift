import Glibc
import Postgres
import Runtime

/// Fills a cluster's folder with a freshly initialised data directory.
struct InitialData {
    let folder: ClusterFolder

    /// Runs initdb, safely on disk; what an interrupted run left is thrown away.
    func create() async throws(EmbeddedPostgresError) {
        let building = folder.data + ".building"
        try await run(["rm", "-rf", building])
        try await run([folder.binaries.path("initdb"), "-D", building, "--data-checksums"] + Self.common)
        guard rename(building, folder.data) == 0 else {
            throw EmbeddedPostgresError("cannot rename \(building): \(String(cString: strerror(errno)))")
        }
    }

    /// Copies a running primary and makes the copy its standby.
    func copyFromPrimary(_ conninfo: String) async throws(EmbeddedPostgresError) {
        try await run([
            folder.binaries.path("pg_basebackup"), "-d", conninfo, "-D", folder.data, "-R", "-c", "fast", "--no-sync",
        ])
    }

    /// Takes a base backup of a server, with the WAL that it needs.
    func takeBackup(_ conninfo: String) async throws {
        let service = "\(folder.path)/service.conf"
        let values = try ConnectionText(conninfo).values.filter { $0.key != "service" }
        let lines = values.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)\n" }
        // Only the server's account may enter the folder.
        try folder.write("[backup]\n" + lines.joined(), to: service)
        defer { unlink(service) }
        try await run(
            [
                "/usr/bin/env", "PGSERVICEFILE=\(service)", folder.binaries.path("pg_basebackup"), "-d",
                "service=backup",
                "-D",
                folder.data, "-c", "fast", "-X", "stream", "--no-sync",
            ], isCancellable: true)
        try await detach()
    }

    /// Copies a base backup.
    func copyBackup(_ backup: String) async throws {
        try await run(["cp", "-R", backup, folder.data], isCancellable: true)
        try await detach()
    }

    /// Copies the data of a cluster whose server ended cleanly.
    func copyStopped(_ cluster: EmbeddedCluster) async throws(EmbeddedPostgresError) {
        try await run(["cp", "-R", cluster.folder.data, folder.data])
    }

    /// Takes away what would let the copy act for the server that it was: archive commands, standbys, who may connect.
    private func detach() async throws {
        try await run(
            ["rm", "-f"]
                + ["postgresql.auto.conf", "standby.signal", "recovery.signal", "postmaster.pid"].map {
                    "\(folder.data)/\($0)"
                })
        try folder.write(EmbeddedCluster.Options.restoredRules, to: "\(folder.data)/pg_hba.conf")
    }

    /// Copies the result of an earlier initdb of the same server from a folder on disk, making it first if need be.
    ///
    /// Many may do so at once: one builds behind a lock, and what it built appears under its name in one step.
    func copyFromCache(_ cache: String?) async throws(EmbeddedPostgresError) {
        let key = "\(folder.binaries.version) \(folder.binaries.directory)".map {
            $0.isLetter || $0.isNumber ? $0 : "-"
        }
        try await run(
            [
                "/bin/sh", "-eu", "-c", Self.script, "sh", cache ?? "/var/tmp/pgvigil-initdb-\(folder.user.uid)",
                String(key), folder.data,
            ]
                + [folder.binaries.path("initdb"), "--no-sync", "--wal-segsize=1"] + Self.common)
    }

    private func run(_ command: [String], isCancellable: Bool = false) async throws(EmbeddedPostgresError) {
        let report = try await folder.user.run(command, directory: folder.path, isCancellable: isCancellable)
        guard report.isSuccess else {
            throw EmbeddedPostgresError(
                "\(command.first ?? "") failed", remedy: "See what it said.", output: report.output)
        }
    }

    private static let common = [
        "--username=\(EmbeddedCluster.superuser)", "--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8",
    ]

    private static let script = """
        cache=$1 key=$2 data=$3; shift 3
        umask 077
        mkdir -p "$cache"
        [ -O "$cache" ] || { echo "$cache belongs to somebody else: remove it"; exit 1; }
        exec 9> "$cache/lock"
        if [ ! -d "$cache/$key" ]; then
            flock 9
            if [ ! -d "$cache/$key" ]; then
                building=$(mktemp -d "$cache/building.XXXXXX")
                "$@" -D "$building/data"
                mv -T "$building/data" "$cache/$key"
                rmdir "$building"
            fi
        fi
        cp -R "$cache/$key" "$data"
        """
}
