import Runtime
import Testing

@Suite struct ServiceGroupTests {
    struct Broken: Error {}

    struct Worker: Service {
        let name: String
        let work: @Sendable () async throws -> Void

        func run() async throws { try await work() }
    }

    /// A clock on which every sleep ends at once, unless cancelled.
    struct Hasty: Clock {
        var now: ContinuousClock.Instant { .now }
        var minimumResolution: Duration { .zero }

        func sleep(until deadline: ContinuousClock.Instant, tolerance: Duration?) async throws {
            try Task.checkCancellation()
        }
    }

    private let silent = Log(level: .error) { _ in }

    @Test func `all services end after the graceful request`() async throws {
        let shutdown = GracefulShutdown()
        let ended = Lock([String]())
        let services = ["a", "b"].map { name in
            Worker(name: name) {
                await shutdown.wait()
                ended.withLock { $0.append(name) }
            }
        }
        shutdown.request()
        try await ServiceGroup(services: services, shutdown: shutdown, drainLimit: .seconds(60), log: silent).run()
        #expect(ended.withLock { $0.sorted() } == ["a", "b"])
    }

    @Test func `one service's error ends the others and is thrown`() async {
        let shutdown = GracefulShutdown()
        let ended = Lock(false)
        let services = [
            Worker(name: "good") {
                await shutdown.wait()
                ended.withLock { $0 = true }
            },
            Worker(name: "bad") { throw Broken() },
        ]
        await #expect(throws: Broken.self) {
            try await ServiceGroup(services: services, shutdown: shutdown, drainLimit: .seconds(60), log: silent).run()
        }
        #expect(ended.withLock { $0 })
        #expect(shutdown.isRequested)
    }

    @Test func `a service that ends unasked is an error`() async {
        let group = ServiceGroup(
            services: [Worker(name: "short") {}], shutdown: GracefulShutdown(), drainLimit: .seconds(60), log: silent)
        let error = await #expect(throws: ServiceGroup.EndedEarly.self) { try await group.run() }
        #expect(error?.service == "short")
    }

    @Test func `a service that does not drain in time is cancelled`() async throws {
        let shutdown = GracefulShutdown()
        let lines = Lock([String]())
        let log = Log { bytes in lines.withLock { $0.append(String(decoding: bytes, as: UTF8.self)) } }
        let stubborn = Worker(name: "stubborn") { try await ContinuousClock().sleep(for: .seconds(3600)) }
        shutdown.request()
        try await ServiceGroup(
            services: [stubborn], shutdown: shutdown, drainLimit: .seconds(5), log: log, clock: Hasty()
        ).run()
        #expect(lines.withLock { $0 }.contains { $0.contains("drain limit reached") })
    }

    @Test func `a closer stays until every other service has ended`() async throws {
        let (shutdown, closing) = (GracefulShutdown(), GracefulShutdown())
        let order = Lock([String]())
        let worker = Worker(name: "worker") {
            await shutdown.wait()
            // The closer is still there, whatever time this takes.
            for _ in 0..<1000 { await Task.yield() }
            #expect(!closing.isRequested)
            order.withLock { $0.append("worker") }
        }
        let closer = Worker(name: "closer") {
            await closing.wait()
            order.withLock { $0.append("closer") }
        }
        shutdown.request()
        try await ServiceGroup(
            services: [worker], closers: [closer], closing: closing, shutdown: shutdown, drainLimit: .seconds(60),
            log: silent
        ).run()
        #expect(order.withLock { $0 } == ["worker", "closer"])
    }

    @Test func `a closer that fails ends the others and is the error`() async {
        let (shutdown, closing) = (GracefulShutdown(), GracefulShutdown())
        let group = ServiceGroup(
            services: [Worker(name: "worker") { await shutdown.wait() }],
            closers: [Worker(name: "bad") { throw Broken() }, Worker(name: "good") { await closing.wait() }],
            closing: closing, shutdown: shutdown, drainLimit: .seconds(60), log: silent)
        await #expect(throws: Broken.self) { try await group.run() }
    }

    @Test func `a closer that ends unasked is an error`() async {
        let (shutdown, closing) = (GracefulShutdown(), GracefulShutdown())
        let group = ServiceGroup(
            services: [Worker(name: "worker") { await shutdown.wait() }], closers: [Worker(name: "short") {}],
            closing: closing, shutdown: shutdown, drainLimit: .seconds(60), log: silent)
        let error = await #expect(throws: ServiceGroup.EndedEarly.self) { try await group.run() }
        #expect(error?.service == "short")
    }
}
