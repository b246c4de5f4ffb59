import Runtime
import Testing

@Suite struct GracefulShutdownTests {
    @Test func `waiting ends with the request, for all who wait and all who come later`() async {
        let shutdown = GracefulShutdown()
        let waiters = (1...3).map { _ in Task { await shutdown.wait() } }
        #expect(!shutdown.isRequested)
        shutdown.request()
        shutdown.request()
        for waiter in waiters { await waiter.value }
        await shutdown.wait()
        #expect(shutdown.isRequested)
    }

    @Test func `waiting ends with the task's cancellation`() async {
        let shutdown = GracefulShutdown()
        let waiter = Task { await shutdown.wait() }
        waiter.cancel()
        await waiter.value
        #expect(!shutdown.isRequested)
    }

    @Test func `a sleep tells whether its time passed or the request came`() async {
        let shutdown = GracefulShutdown()
        #expect(await shutdown.sleep(for: .milliseconds(1)))
        let sleeper = Task { await shutdown.sleep(for: .seconds(3600)) }
        shutdown.request()
        #expect(await !sleeper.value)
        #expect(await !shutdown.sleep(for: .milliseconds(1)))
    }

    @Test func `work is cancelled by the request, and its own result stands when it comes first`() async throws {
        let shutdown = GracefulShutdown()
        #expect(try await shutdown.withCancellationOnRequest { 7 } == 7)
        let work = Task {
            try await shutdown.withCancellationOnRequest { try await ContinuousClock().sleep(for: .seconds(3600)) }
        }
        shutdown.request()
        await #expect(throws: CancellationError.self) { try await work.value }
    }
}
