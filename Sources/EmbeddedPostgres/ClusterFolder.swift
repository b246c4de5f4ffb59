import Glibc
import Runtime

/// The folder of one cluster: `data`, `server.log`, the socket and the guardian's lock.
struct ClusterFolder: Sendable {
    let path: String
    let socketDirectory: String
    let user: ServerUser
    let binaries: ServerBinaries

    var data: String { "\(path)/data" }
    var log: String { "\(path)/server.log" }
    var startMarker: String { "\(path)/starting" }

    /// The longest socket path that the kernel takes is 107 bytes.
    private static let longestSocketDirectory = 107 - "/.s.PGSQL.5432".utf8.count
    /// Temporary clusters go to memory while this many bytes are free there.
    private static let roomNeeded: UInt64 = 512 * 1024 * 1024

    /// A new folder in memory, or in /tmp when memory is short.
    static func temporary(
        user: ServerUser, binaries: ServerBinaries
    ) throws(EmbeddedPostgresError) -> ClusterFolder {
        let base = freeBytes("/dev/shm") >= roomNeeded && access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp"
        let path = try makeUnique(in: base, user)
        return ClusterFolder(path: path, socketDirectory: path, user: user, binaries: binaries)
    }

    /// A folder that stays; it is made when missing.
    static func persistent(
        _ path: String, user: ServerUser, binaries: ServerBinaries
    ) async throws(EmbeddedPostgresError) -> ClusterFolder {
        if mkdir(path, 0o700) == 0 {
            chown(path, user.uid, user.gid)
        } else if errno != EEXIST {
            throw EmbeddedPostgresError(
                "cannot make the folder \(path): \(String(cString: strerror(errno)))",
                remedy: "Make its parent folder, or choose another.")
        }
        guard let canonical = realpath(path, nil) else {
            throw EmbeddedPostgresError("cannot find the folder \(path)", remedy: "Choose another.")
        }
        defer { free(canonical) }
        let absolute = String(cString: canonical)
        let report = try await user.run(["/bin/sh", "-c", "cd \"$1\" && test -w .", "sh", absolute], directory: "/")
        guard report.isSuccess else {
            throw EmbeddedPostgresError(
                "the account \(user.name) of the server cannot enter or write \(absolute)",
                remedy: "Choose a folder that it can reach, such as one below /var/lib, or start as another user.")
        }
        let isShort = absolute.utf8.count <= longestSocketDirectory
        let sockets = isShort ? absolute : try makeUnique(in: "/tmp", user)
        return ClusterFolder(path: absolute, socketDirectory: sockets, user: user, binaries: binaries)
    }

    private static func makeUnique(in base: String, _ user: ServerUser) throws(EmbeddedPostgresError) -> String {
        var template = Array("\(base)/pgvigil-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else {
            throw EmbeddedPostgresError(
                "cannot make a folder in \(base): \(String(cString: strerror(errno)))", remedy: "Free some space there."
            )
        }
        let path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
        chown(path, user.uid, user.gid)
        return path
    }

    private static func freeBytes(_ path: String) -> UInt64 {
        var facts = statvfs()
        guard statvfs(path, &facts) == 0 else { return 0 }
        return UInt64(facts.f_bavail) * UInt64(facts.f_frsize)
    }

    // MARK: Files

    /// Writes a small file that the server's account can read.
    func write(_ text: String, to file: String) throws(EmbeddedPostgresError) {
        let descriptor = open(file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
        let bytes = Array(text.utf8)
        let written = descriptor < 0 ? -1 : Glibc.write(descriptor, bytes, bytes.count)
        if descriptor >= 0 {
            fchown(descriptor, user.uid, user.gid)
            close(descriptor)
        }
        guard written == bytes.count else {
            throw EmbeddedPostgresError("cannot write \(file): \(String(cString: strerror(errno)))")
        }
    }

    /// The last lines of the server's log, at most 64 kB.
    func logTail(lines count: Int) -> String {
        let descriptor = open(log, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return "" }
        defer { close(descriptor) }
        let size = lseek(descriptor, 0, SEEK_END)
        let start = max(0, size - 65_536)
        var bytes = [UInt8](repeating: 0, count: size - start)
        let length = max(0, pread(descriptor, &bytes, bytes.count, start))
        let lines = String(decoding: bytes.prefix(length), as: UTF8.self)
            .split(separator: "\n", omittingEmptySubsequences: true)
        return lines.suffix(count).joined(separator: "\n")
    }

    /// The major version that made the data; nil when there is none yet.
    var dataVersion: Int32? { firstNumber(in: "PG_VERSION") }

    /// The process id of the server, while it runs.
    var postmasterPID: Int32? { firstNumber(in: "postmaster.pid") }

    /// The number at the beginning of a file of the data directory.
    private func firstNumber(in name: String) -> Int32? {
        guard let file = fopen("\(data)/\(name)", "re") else { return nil }
        defer { fclose(file) }
        var line = [CChar](repeating: 0, count: 32)
        guard fgets(&line, Int32(line.count), file) != nil else { return nil }
        return Int32(String(decoding: line.prefix { $0 >= 48 }.map { UInt8(bitPattern: $0) }, as: UTF8.self))
    }
}
