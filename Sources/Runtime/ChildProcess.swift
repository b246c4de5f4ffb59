import CShims
import Glibc

/// A program that we started, and its end.
package final class ChildProcess: Sendable {
    /// Where a standard stream leads.
    package enum Stream: Sendable, Equatable {
        /// Nowhere.
        case null
        /// Where ours leads.
        case inherited
        /// To the end of a file, which is made if need be.
        case file(String)
        /// A descriptor of ours, which stays open here.
        case descriptor(Int32)
    }

    /// How a program ended.
    package enum Ending: Sendable, Equatable {
        /// It returned this status.
        case exited(Int32)
        /// This signal ended it.
        case killed(Int32)
    }

    /// Starting failed.
    package struct StartFailure: Error, Sendable, CustomStringConvertible {
        /// The program that did not start.
        package let program: String
        /// The error number.
        package let code: Int32

        /// A line that is safe to log.
        package var description: String { "cannot start \(program): \(String(cString: strerror(code)))" }
    }

    private struct State {
        var ending: Ending?
        var waiters: [CheckedContinuation<Ending, Never>] = []
    }

    /// The process id; meaningless once the child has ended.
    package let pid: Int32
    private let state = Lock(State())

    /// Starts `arguments`, the program first, with nothing of our environment but `environment`.
    package init(
        _ arguments: [String], environment: [String: String], directory: String? = nil, input: Stream = .null,
        output: Stream = .inherited, errors: Stream = .inherited, inNewSession: Bool = false
    ) throws(StartFailure) {
        let program = arguments.first ?? ""
        let streams = [Self.open(input, 0), Self.open(output, 1), Self.open(errors, 2)]
        defer { for (fd, isOurs) in streams where isOurs { close(fd) } }
        guard streams.allSatisfy({ $0.fd >= 0 }) else { throw StartFailure(program: program, code: errno) }
        let arguments = arguments.map { strdup($0) } + [nil]
        let environment = environment.map { strdup("\($0)=\($1)") } + [nil]
        let directory = directory.map { strdup($0) } ?? nil
        defer { for text in arguments + environment + [directory] { free(text) } }
        var pid = pid_t()
        let code = arguments.withUnsafeBufferPointer { arguments in
            environment.withUnsafeBufferPointer { environment in
                var child = pgvigil_child()
                child.arguments = arguments.baseAddress
                child.environment = environment.baseAddress
                child.directory = UnsafePointer(directory)
                child.streams = (streams[0].fd, streams[1].fd, streams[2].fd)
                child.in_new_session = inNewSession ? 1 : 0
                return pgvigil_spawn(&pid, &child)
            }
        }
        guard code == 0 else { throw StartFailure(program: program, code: code) }
        self.pid = pid
        do {
            try OSThread.start(name: "child", stackSize: 128 * 1024) { self.reap() }
        } catch {
            throw StartFailure(program: program, code: error.code)
        }
    }

    /// How it ended, if it has.
    package var ending: Ending? { state.withLock { $0.ending } }

    /// Waits until it has ended; the task's cancellation does not shorten the wait.
    package func wait() async -> Ending {
        await withCheckedContinuation { continuation in
            let ending = state.withLock { state in
                if state.ending == nil { state.waiters.append(continuation) }
                return state.ending
            }
            if let ending { continuation.resume(returning: ending) }
        }
    }

    /// Sends a signal unless it has ended.
    package func signal(_ number: Int32) {
        state.withLock { state in
            guard state.ending == nil else { return }
            kill(pid, number)
        }
    }

    private func reap() {
        var info = siginfo_t()
        // The pid stays ours until the second call, so that `signal` never hits a stranger.
        while waitid(P_PID, id_t(pid), &info, WEXITED | WNOWAIT) == -1 && errno == EINTR {}
        let waiters = state.withLock { state -> ([CheckedContinuation<Ending, Never>], Ending) in
            var status: Int32 = 0
            while waitpid(pid, &status, 0) == -1 && errno == EINTR {}
            let signal = status & 0x7f
            let ending = signal == 0 ? Ending.exited((status >> 8) & 0xff) : .killed(signal)
            state.ending = ending
            defer { state.waiters = [] }
            return (state.waiters, ending)
        }
        for waiter in waiters.0 { waiter.resume(returning: waiters.1) }
    }

    private static func open(_ stream: Stream, _ own: Int32) -> (fd: Int32, isOurs: Bool) {
        switch stream {
        case .null: (Glibc.open("/dev/null", O_RDWR | O_CLOEXEC), true)
        case .inherited: (own, false)
        case .file(let path): (Glibc.open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o644), true)
        case .descriptor(let fd): (fd, false)
        }
    }
}
