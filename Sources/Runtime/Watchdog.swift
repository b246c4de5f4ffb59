import Glibc

/// Tells the service manager that the process is alive, as long as each of its loops is.
///
/// A loop that hangs stops the messages, and the manager then ends the process and starts it anew.
package final class Watchdog: Service {
    /// The name that log lines carry.
    package let name = "watchdog"

    private let manager: ServiceManager
    private let interval: Duration
    private let patience: Duration
    private let heartbeats: [Heartbeat]
    private let shutdown: GracefulShutdown
    private let log: Log

    /// `interval` is the time after which the manager gives the process up, `patience` how long a loop may be silent
    /// beyond its rest: unless given, the interval, but 10 s at least.
    package init(
        manager: ServiceManager, interval: Duration, patience: Duration? = nil, heartbeats: [Heartbeat],
        shutdown: GracefulShutdown, log: Log
    ) {
        self.manager = manager
        self.interval = interval
        self.patience = patience ?? max(interval, .seconds(10))
        self.heartbeats = heartbeats
        self.shutdown = shutdown
        self.log = log
    }

    /// The interval that the manager wants of this process; nil when it wants none.
    package static func interval(environment: [String: String], processID: Int32 = getpid()) -> Duration? {
        guard let text = environment["WATCHDOG_USEC"], let microseconds = Int64(text), microseconds > 0 else {
            return nil
        }
        if let owner = environment["WATCHDOG_PID"], owner != String(processID) { return nil }
        return .microseconds(microseconds)
    }

    /// Sends four messages an interval, none while a loop is silent for too long.
    package func run() async throws {
        var hanging: String?
        repeat {
            let silent = heartbeats.first { $0.silence > patience }
            if let silent {
                if hanging == nil { log.error("watchdog is silent", ["service": silent.name]) }
            } else {
                manager.notify(.watchdog)
            }
            hanging = silent?.name
        } while await shutdown.sleep(for: interval / 4)
    }
}
