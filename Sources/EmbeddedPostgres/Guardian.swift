import CShims
import Glibc
import Runtime

/// A small shell that outlives us: when we end, however we end, it stops the server and removes what is temporary.
///
/// It waits on a pipe whose other end only we hold; the kernel closes that end even after `kill -9`.
final class Guardian: Sendable {
    /// What becomes of the folder when the server has stopped.
    enum Fate: String, Sendable {
        case remove
        case keep
    }

    let child: ChildProcess
    private let holdingEnd: Lock<Int32?>

    private init(child: ChildProcess, holdingEnd: Int32) {
        self.child = child
        self.holdingEnd = Lock(holdingEnd)
    }

    deinit { letGo() }

    /// Starts to watch over `directory`, of which nobody else may be a guardian.
    static func start(
        directory: String, binaries: ServerBinaries, user: ServerUser, fate: Fate
    ) async throws(EmbeddedPostgresError) -> Guardian {
        let life = try pipe()
        let word = try pipe()
        let command = ["/bin/sh", "-c", script, "pgvigil-guardian", directory, binaries.directory, fate.rawValue]
        let child: ChildProcess
        do {
            defer { for end in [life.read, word.write] { close(end) } }
            child = try ChildProcess(
                user.prefix + command, environment: ServerUser.environment, directory: "/",
                input: .descriptor(life.read), output: .descriptor(word.write), errors: .null, inNewSession: true)
        } catch {
            for end in [life.write, word.read] { close(end) }
            throw EmbeddedPostgresError(error.description)
        }
        let guardian = Guardian(child: child, holdingEnd: life.write)
        let answer = await ChildProcess.readAll(word.read)
        guard answer == "ready\n" else {
            throw EmbeddedPostgresError(
                "the folder \(directory) is in use by another pgvigil, or \(user.name) may not write there",
                remedy: "Stop the other one, or choose another folder.")
        }
        return guardian
    }

    /// Lets the guardian do its work now and waits until it has.
    func dismiss() async {
        letGo()
        _ = await child.wait()
    }

    private func letGo() {
        let end = holdingEnd.withLock { end in
            defer { end = nil }
            return end
        }
        if let end { close(end) }
    }

    private static func pipe() throws(EmbeddedPostgresError) -> (read: Int32, write: Int32) {
        var ends: [Int32] = [-1, -1]
        guard pgvigil_pipe(&ends) == 0 else {
            throw EmbeddedPostgresError("cannot make a pipe", remedy: "Raise the limit on open files (ulimit -n).")
        }
        return (ends[0], ends[1])
    }

    /// Takes the folder's lock, waits for our end, stops the server; sweeps what others left who lost their guardian.
    ///
    /// The lock is taken before its file gets its name, so that a sweeper never finds a guarded folder unlocked.
    private static let script = """
        dir=$1 bin=$2 fate=$3
        stop() {
            tries=0
            while [ -e "$1/starting" ] && [ ! -e "$1/data/postmaster.pid" ] && [ $tries -lt 50 ]; do
                sleep 0.1; tries=$((tries + 1))
            done
            [ -e "$1/data/postmaster.pid" ] || return 0
            pid=$(head -n 1 "$1/data/postmaster.pid")
            "$bin/pg_ctl" stop -s -D "$1/data" -m "$2" -t 30 || kill -9 "$pid"
        }
        discard() {
            tries=0
            until rm -rf "$1" || [ $tries -ge 50 ]; do sleep 0.1; tries=$((tries + 1)); done
        }
        mode=fast
        if [ "$fate" = remove ]; then
            mode=immediate
            exec 9> "$dir/guard.new" && flock -n 9 && mv "$dir/guard.new" "$dir/guard" || exit 1
        else
            exec 9>> "$dir/guard" && flock -n 9 || exit 1
            stop "$dir" fast
        fi
        echo ready
        exec > /dev/null
        if [ "$fate" = remove ]; then
            for guard in "${dir%/*}"/pgvigil-??????/guard; do
                old=${guard%/guard}
                [ "$old" != "$dir" ] && [ -O "$guard" ] || continue
                (exec 8< "$guard" && flock -n 8 && stop "$old" immediate && discard "$old")
            done
        fi
        cat > /dev/null
        stop "$dir" $mode
        [ "$fate" = keep ] || discard "$dir"
        """
}
