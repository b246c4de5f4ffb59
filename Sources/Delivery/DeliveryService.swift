import Glibc
package import Postgres
package import Runtime
package import Secrets

/// Sends what the store wants sent; any number of services may do so for one store.
///
/// The store decides what is due, how often it is tried and when it is given up. Here attempts are made, outside of any
/// transaction, and their ends reported under the fence of their lease. An end that cannot be reported is kept until it
/// can be, or its lease is over: then the message is sent once more, with the same id.
package final class DeliveryService: Service {
    /// The name that log lines carry.
    package let name = "delivery"

    /// What a service is started with.
    package struct Settings: Sendable {
        /// The store.
        package var configuration: PostgresConfiguration
        /// A UUID of the process.
        package var instanceID: String
        /// Most messages on their way at once.
        package var inFlight: Int
        /// The header `User-Agent`.
        package var userAgent: String
        /// Addresses and certificates.
        package var sender: HTTPSender.Configuration

        /// Settings of one process.
        package init(
            configuration: PostgresConfiguration, instanceID: String, inFlight: Int = 64,
            userAgent: String = "pgvigil", sender: HTTPSender.Configuration = .init()
        ) {
            self.configuration = configuration
            self.instanceID = instanceID
            self.inFlight = inFlight
            self.userAgent = userAgent
            self.sender = sender
        }
    }

    private struct State {
        var store: DeliveryStore?
        var outcomes: [DeliveryOutcome] = []
        var onTheWay = 0
    }

    private let settings: Settings
    private let request: DeliveryRequest
    private let sender: HTTPSender
    private let heartbeats: DeadMansSwitch
    private let shutdown: GracefulShutdown
    private let log: Log
    private let clock: any Clock<Duration>
    private let unixTime: @Sendable () -> Int64
    private let wakeup = Wakeup()
    private let state = Lock(State())

    /// Without news the store is asked so often.
    private static let longestSleep = Duration.seconds(5)
    private static let nap = Duration.milliseconds(50)
    private static let shortestSleep = Duration.milliseconds(5)

    /// Starts nothing yet but the thread that sends.
    ///
    /// - Throws: when the machine gives no thread.
    package init(
        _ settings: Settings, secrets: SecretOpener, shutdown: GracefulShutdown, log: Log,
        clock: any Clock<Duration> = ContinuousClock(), unixTime: @escaping @Sendable () -> Int64 = { Int64(time(nil)) }
    ) throws(HTTPFailure) {
        self.settings = settings
        request = DeliveryRequest(secrets: secrets, userAgent: settings.userAgent)
        sender = try HTTPSender(settings.sender)
        heartbeats = DeadMansSwitch(sender: sender, secrets: secrets, userAgent: settings.userAgent, log: log)
        self.shutdown = shutdown
        self.log = log
        self.clock = clock
        self.unixTime = unixTime
    }

    /// Sends until shutdown is asked for; attempts that were begun are finished and reported.
    package func run() async throws {
        await withDiscardingTaskGroup { group in
            group.addTask {
                await self.shutdown.wait()
                self.wakeup.signal()
            }
            await work(&group)
            group.cancelAll()
        }
        sender.close()
        await drop()
    }

    private func work(_ group: inout DiscardingTaskGroup) async {
        var backoff = Backoff()
        var hasFailed = false
        while !Task.isCancelled {
            do throws(PostgresError) {
                let store = try await connected(&group)
                // By itself after a failure: a claim that fails must not take the report with it.
                if hasFailed || shutdown.isRequested { try await report(to: store) }
                guard !shutdown.isRequested else {
                    guard isBusy else { return try await store.release() }
                    await wakeup.wait(upTo: Self.longestSleep, clock: clock)
                    continue
                }
                try await heartbeats.turn(store, &group) { self.wakeup.signal() }
                let pause = try await turn(store, &group)
                backoff.reset()
                hasFailed = false
                if let pause { await wakeup.wait(upTo: pause, clock: clock) }
            } catch {
                guard error.kind != .cancelled else { return }
                hasFailed = true
                let pause = backoff.next()
                log.warning(
                    "delivery_interrupted", ["error": error.description, "sqlstate": error.sqlState ?? ""])
                await drop()
                // What was not reported is sent again by whoever claims it after its lease.
                if shutdown.isRequested && state.withLock({ $0.onTheWay == 0 }) { return }
                await wakeup.wait(upTo: pause, clock: clock)
            }
        }
    }

    /// Reports what has ended, claims what there is room for and sends it off; how long to sleep then, nil when there may
    /// be more.
    private func turn(
        _ store: DeliveryStore, _ group: inout DiscardingTaskGroup
    ) async throws(PostgresError) -> Duration? {
        let (outcomes, room) = state.withLock { ($0.outcomes, settings.inFlight - $0.onTheWay - $0.outcomes.count) }
        guard room + outcomes.count > 0 else { return Self.longestSleep }
        let claims: [ClaimedDelivery]
        if outcomes.isEmpty {
            claims = try await store.claim(room)
        } else {
            let taken: Int
            (taken, claims) = try await store.acknowledge(outcomes, claiming: room + outcomes.count)
            settle(outcomes.count, taken)
        }
        state.withLock { $0.onTheWay += claims.count }
        for claim in claims { group.addTask { await self.deliver(claim) } }
        guard claims.count < room + outcomes.count else { return nil }
        // What was sent off mostly ends soon and wakes us; only who has nothing to send needs to ask for how long.
        guard claims.isEmpty else { return Self.nap }
        let delay = try await store.delayUntilNext() ?? Self.longestSleep
        return min(max(delay, Self.shortestSleep), Self.longestSleep)
    }

    /// One attempt; its end is left for the next report.
    private func deliver(_ delivery: ClaimedDelivery) async {
        var outcome = DeliveryOutcome(delivery)
        do throws(SecretFault) {
            let request = try request.make(for: delivery, timestamp: unixTime())
            do throws(HTTPFailure) {
                let reply = try await sender.send(request)
                outcome.status = reply.status
                outcome.retryAfter = reply.retryAfter
                outcome.response = DeliveryRequest.redacted(Self.text(reply.head), request.secrets)
                outcome.seconds = reply.total.inSeconds
            } catch {
                outcome.errorClass = error.kind.rawValue
                outcome.status = error.status
                outcome.response = DeliveryRequest.redacted(error.message, request.secrets)
                outcome.seconds = error.total.inSeconds
            }
        } catch {
            outcome.errorClass = "secret"
            outcome.response = error.description
        }
        if !(200..<300).contains(outcome.status ?? 0) {
            log.warning(
                "delivery_failed",
                [
                    "destination": delivery.destination, "message": delivery.messageID,
                    "attempt": String(delivery.attempt), "status": outcome.status.map { String($0) } ?? "",
                    "error": outcome.errorClass ?? "",
                ])
        }
        state.withLock { state in
            state.onTheWay -= 1
            state.outcomes.append(outcome)
        }
        wakeup.signal()
    }

    /// Reports what has ended; it stays to be reported when that fails.
    private func report(to store: DeliveryStore) async throws(PostgresError) {
        let outcomes = state.withLock { $0.outcomes }
        guard !outcomes.isEmpty else { return }
        settle(outcomes.count, try await store.acknowledge(outcomes))
    }

    /// So many of the ends that waited were reported, and so many of them were taken.
    private func settle(_ reported: Int, _ taken: Int) {
        state.withLock { $0.outcomes.removeFirst(reported) }
        if taken < reported { log.warning("delivery_leases_lost", ["count": String(reported - taken)]) }
    }

    private var isBusy: Bool { state.withLock { $0.onTheWay > 0 || !$0.outcomes.isEmpty } }

    /// The session, opened anew when there is none; it hears of news.
    private func connected(_ group: inout DiscardingTaskGroup) async throws(PostgresError) -> DeliveryStore {
        if let store = state.withLock({ $0.store }), store.connection.isOpen { return store }
        let connection = try await PostgresConnection.connect(settings.configuration)
        let news = try await connection.listen(DeliveryStore.channel)
        group.addTask {
            do { for try await _ in news { self.wakeup.signal() } } catch { self.wakeup.signal() }
        }
        let store = DeliveryStore(connection: connection, instanceID: settings.instanceID)
        state.withLock { $0.store = store }
        return store
    }

    private func drop() async {
        let store = state.withLock { state in
            defer { state.store = nil }
            return state.store
        }
        await store?.connection.close()
    }

    /// What a text column takes of an answer.
    private static func text(_ bytes: [UInt8]) -> String {
        String(decoding: bytes.filter { $0 != 0 }, as: UTF8.self)
    }
}
