import Glibc

/// The signals that steer the service, taken by the main thread and by nothing else.
package enum Signals {
    /// What a signal asks for.
    package enum Request: Sendable, Equatable {
        /// SIGTERM or SIGINT: finish and leave.
        case stop
        /// SIGHUP: read the configuration again.
        case reload
    }

    private static let numbers = [SIGTERM, SIGINT, SIGHUP]

    /// Holds the signals back in this thread and in all it starts; call it first in `main`.
    package static func block() {
        var set = mask()
        pthread_sigmask(Int32(SIG_BLOCK), &set, nil)
        signal(SIGPIPE, SIG_IGN)
    }

    /// Runs the program: `body` in a task, the signals in this thread, which must be the main one.
    ///
    /// `block()` must have been called. The process exits with the status that `body` returns.
    package static func run(
        handler: @escaping @Sendable (Request) -> Void, _ body: @escaping @Sendable () async -> Int32
    ) -> Never {
        Task.detached { exit(await body()) }
        while true { handler(next()) }
    }

    /// Waits for the next signal.
    package static func next() -> Request {
        var set = mask()
        while true {
            var number: Int32 = 0
            guard sigwait(&set, &number) == 0 else { continue }
            return number == SIGHUP ? .reload : .stop
        }
    }

    private static func mask() -> sigset_t {
        var set = sigset_t()
        sigemptyset(&set)
        for number in numbers { sigaddset(&set, number) }
        return set
    }
}
