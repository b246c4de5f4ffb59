import Postgres
import Runtime
import Secrets

/// Sends signs of life to the outside, by the same loop, sender and address policy that messages are sent by.
///
/// The store decides whether one is due and whether the whole chain works; without a claim nothing is sent. That the
/// loop of delivery itself asks is part of the sign: when it hangs, they stop.
final class DeadMansSwitch: Sendable {
    /// A sign of life that is due.
    struct Claim: Sendable, Equatable {
        let id: String
        let fence: Int64
        let name: String
        let method: String
        /// The URL, sealed.
        let sealedURL: String
        let sealContext: String
        let timeout: Duration

        /// Reads a row of `claim_heartbeats`.
        init(row: PostgresRow) throws(PostgresError) {
            id = try row.decode("heartbeat_id", as: String.self)
            fence = try row.decode("fence", as: Int64.self)
            name = try row.decode("name", as: String.self)
            method = try row.decode("method", as: String.self)
            sealedURL = try row.decode("sealed_url", as: String.self)
            sealContext = try row.decode("seal_context", as: String.self)
            timeout = .milliseconds(try row.decode("timeout_ms", as: Int64.self))
        }
    }

    /// How it ended: a status, or why there is none.
    struct Outcome: Sendable, Equatable {
        let claim: Claim
        var status: Int?
        var error: String?
    }

    private struct State {
        var nextLook = Monotonic.now()
        var outcomes: [Outcome] = []
    }

    /// The store is asked so often, however busy the loop is.
    private static let pause = Duration.seconds(5)

    private let sender: HTTPSender
    private let secrets: SecretOpener
    private let userAgent: String
    private let log: Log
    private let state = Lock(State())

    init(sender: HTTPSender, secrets: SecretOpener, userAgent: String, log: Log) {
        self.sender = sender
        self.secrets = secrets
        self.userAgent = userAgent
        self.log = log
    }

    /// Reports what ended, and sends off what is due; called once a turn of the loop, which `wake` ends the sleep of.
    func turn(
        _ store: DeliveryStore, _ group: inout DiscardingTaskGroup, wake: @escaping @Sendable () -> Void
    ) async throws(PostgresError) {
        for outcome in state.withLock({ $0.outcomes }) {
            try await store.acknowledge(outcome)
            state.withLock { _ = $0.outcomes.removeFirst() }
        }
        let isTime = state.withLock { state in
            guard state.nextLook <= Monotonic.now() else { return false }
            state.nextLook = Monotonic.now() + Self.pause
            return true
        }
        guard isTime else { return }
        for claim in try await store.claimHeartbeats() {
            group.addTask {
                let outcome = await self.send(claim)
                self.state.withLock { $0.outcomes.append(outcome) }
                wake()
            }
        }
    }

    private func send(_ claim: Claim) async -> Outcome {
        var outcome = Outcome(claim: claim)
        do throws(SecretFault) {
            let url = try secrets.open(claim.sealedURL, context: claim.sealContext).withBytes {
                String(decoding: $0, as: UTF8.self)
            }
            var request = HTTPRequest(url: url, method: claim.method, timeout: claim.timeout)
            request.headers = [("User-Agent", userAgent)]
            if claim.method == "POST" {
                request.headers.append(("Content-Type", "text/plain"))
                request.body = Array("pgvigil measures, evaluates and delivers".utf8)
            }
            do throws(HTTPFailure) {
                outcome.status = try await sender.send(request).status
            } catch {
                outcome.error = error.kind.rawValue
            }
        } catch {
            outcome.error = "its URL does not open: \(error.description)"
        }
        if !(200..<300).contains(outcome.status ?? 0) {
            log.warning(
                "heartbeat_failed",
                [
                    "heartbeat": claim.name, "status": outcome.status.map { String($0) } ?? "",
                    "error": outcome.error ?? "",
                ])
        }
        return outcome
    }
}

extension DeliveryStore {
    /// Leases the signs of life that are due, none while the chain is broken.
    func claimHeartbeats() async throws(PostgresError) -> [DeadMansSwitch.Claim] {
        let rows = try await connection.query(
            "select * from monitoring_internal.claim_heartbeats($1::uuid)", [instanceID], timeout: Self.limit)
        var claims: [DeadMansSwitch.Claim] = []
        for row in rows { claims.append(try DeadMansSwitch.Claim(row: row)) }
        return claims
    }

    /// Reports how one ended.
    func acknowledge(_ outcome: DeadMansSwitch.Outcome) async throws(PostgresError) {
        _ = try await connection.query(
            "select monitoring_internal.ack_heartbeat($1::uuid, $2::uuid, $3::bigint, $4::integer, $5)",
            [
                instanceID, outcome.claim.id, String(outcome.claim.fence), outcome.status.map { String($0) },
                outcome.error,
            ], timeout: Self.limit)
    }
}
