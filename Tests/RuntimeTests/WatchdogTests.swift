import Glibc
import Runtime
import TestSupport
import Testing

/// The messages that keep the service manager from ending the process, and that a hung loop stops.
@Suite struct WatchdogTests {
    @Test(
        arguments: [
            ([:], nil), (["WATCHDOG_USEC": "2000000"], Duration.seconds(2)), (["WATCHDOG_USEC": "0"], nil),
            (["WATCHDOG_USEC": "x"], nil), (["WATCHDOG_USEC": "5", "WATCHDOG_PID": "77"], .microseconds(5)),
            (["WATCHDOG_USEC": "5", "WATCHDOG_PID": "78"], nil),
        ] as [([String: String], Duration?)])
    func `the interval is the manager's, for this process`(environment: [String: String], interval: Duration?) {
        #expect(Watchdog.interval(environment: environment, processID: 77) == interval)
    }

    @Test func `a loop that hangs stops the messages, one that rests does not`() async throws {
        let socket = try NotifySocket()
        let (resting, hanging) = (Heartbeat("resting"), Heartbeat("hanging"))
        let shutdown = GracefulShutdown()
        let lines = Lock([String]())
        let log = Log { line in lines.withLock { $0.append(String(decoding: line, as: UTF8.self)) } }
        let watchdog = Watchdog(
            manager: ServiceManager(address: socket.address), interval: .milliseconds(40), patience: .milliseconds(300),
            heartbeats: [resting, hanging], shutdown: shutdown, log: log)
        resting.beat(resting: .seconds(600))
        hanging.beat(resting: .seconds(600))
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await watchdog.run() }
            defer { shutdown.request() }
            #expect(await socket.waits { $0 == "WATCHDOG=1" })
            // From here on the loop should have turned, and does not.
            hanging.beat()
            let deadline = Monotonic.now() + .seconds(30)
            while !lines.withLock({ $0.contains { $0.contains("watchdog is silent") } }), Monotonic.now() < deadline {
                _ = socket.messages
                try await Task.sleep(for: .milliseconds(10))
            }
            let count = socket.messages.count
            for _ in 0..<20 { try await Task.sleep(for: .milliseconds(20)) }
            #expect(socket.messages.count == count, "not one more")
            #expect(lines.withLock { $0.filter { $0.contains("hanging") } }.count == 1, "said once")
            hanging.beat(resting: .seconds(600))
            let later = Monotonic.now() + .seconds(30)
            while socket.messages.count == count, Monotonic.now() < later {
                try await Task.sleep(for: .milliseconds(10))
            }
            #expect(socket.messages.count > count, "a loop that turns again is alive")
        }
    }
}
