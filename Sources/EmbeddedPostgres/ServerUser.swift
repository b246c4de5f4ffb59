import Glibc
import Runtime

/// The unprivileged account that a server runs as; PostgreSQL refuses to run as root.
struct ServerUser: Sendable {
    let name: String
    let uid: uid_t
    let gid: gid_t
    /// Whether commands must change to the account first.
    let isSwitch: Bool

    /// Ourselves, or for root the account `postgres`, or else `nobody`.
    static func choose() throws(EmbeddedPostgresError) -> ServerUser {
        guard geteuid() == 0 else {
            return ServerUser(name: "", uid: geteuid(), gid: getegid(), isSwitch: false)
        }
        for name in ["postgres", "nobody"] {
            if let user = account(name) { return user }
        }
        throw EmbeddedPostgresError(
            "PostgreSQL does not run as root, and there is no account to run it as",
            remedy: "Add one (useradd --system postgres), or start pgvigil as another user.")
    }

    /// Runs a command as this user; the environment is bare, so that no PG* variable of ours misleads it.
    func run(
        _ command: [String], directory: String, input: ChildProcess.Stream = .null, isCancellable: Bool = false
    ) async throws(EmbeddedPostgresError) -> ChildProcess.Report {
        do {
            return try await ChildProcess.run(
                prefix + command, environment: Self.environment, directory: directory, input: input,
                isCancellable: isCancellable)
        } catch {
            throw EmbeddedPostgresError(error.description)
        }
    }

    /// What changes to the account, as the first words of a command.
    var prefix: [String] { isSwitch ? ["setpriv", "--reuid=\(uid)", "--regid=\(gid)", "--init-groups", "--"] : [] }

    static let environment = ["PATH": "/usr/local/bin:/usr/bin:/bin", "LC_ALL": "C.UTF-8", "HOME": "/"]

    private static func account(_ name: String) -> ServerUser? {
        var entry = passwd()
        var found: UnsafeMutablePointer<passwd>?
        var buffer = [CChar](repeating: 0, count: 4096)
        guard getpwnam_r(name, &entry, &buffer, buffer.count, &found) == 0, found != nil else { return nil }
        return ServerUser(name: name, uid: entry.pw_uid, gid: entry.pw_gid, isSwitch: true)
    }
}
