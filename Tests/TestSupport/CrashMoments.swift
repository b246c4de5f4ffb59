import EmbeddedPostgres
import Glibc
package import Postgres
import Runtime
import Testing

/// Chance that a seed determines: of PGVIGIL_SEED, or the test's own.
package struct SeededChance {
    /// What it began with, for the message of a failure.
    package let seed: UInt64
    private var state: UInt64

    /// Says which seed it is, so that a failure can be had again.
    package init(_ usual: UInt64, for what: String) {
        seed = ProcessEnvironment.variables()["PGVIGIL_SEED"].flatMap { UInt64($0) } ?? usual
        state = seed
        print("\(what) at moments of PGVIGIL_SEED=\(seed)")
    }

    /// The next number.
    package mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}

/// Ways in which a session or a whole server ends in the middle of its work.
package enum Crash: Sendable {
    /// The backend is ended by another session.
    case session
    /// The backend is killed by SIGKILL: the server ends all others and recovers.
    case server
    /// The postmaster itself is killed by SIGKILL, and a new one started.
    case postmaster

    private static let patience = Duration.seconds(60)

    /// Waits until `worker` is at work, and then for a moment by chance: up to so many times what `unit` took, so that on
    /// a busy machine it is hit as far along as on a quiet one.
    ///
    /// - Throws: `PostgresError`, of kind timeout when it never began.
    package static func moment(
        of worker: PostgresConnection, _ chance: UInt64, times: Int, unit: Duration, _ admin: PostgresConnection
    ) async throws {
        try await admin.waitUntil(
            "select query ~ 'monitoring' from pg_stat_activity where pid = $1::integer", [String(worker.backendPID)])
        let share = Double((chance >> 20) % 1000) / 1000 * Double(times)
        let longest = min(unit, .seconds(1))
        let seconds = Double(longest.components.seconds) + Double(longest.components.attoseconds) * 1e-18
        try await admin.execute("select pg_sleep(\(share * seconds))", timeout: patience)
    }

    /// Ends what `victim` does; returns a session of the superuser to go on with, in place of `admin`.
    ///
    /// The victim's session has to be open, so that its process id is nobody else's.
    /// - Throws: what reconnecting or starting the server throws.
    package func strike(
        _ victim: PostgresConnection, _ admin: PostgresConnection, _ database: Database
    ) async throws -> PostgresConnection {
        switch self {
        case .session:
            let ended = "select pg_terminate_backend(\(victim.backendPID), 30000)"
            #expect(try await admin.query(ended, timeout: .seconds(40)).scalar == "t")
            return admin
        case .server:
            #expect(kill(victim.backendPID, SIGKILL) == 0)
            await Self.untilLost(admin)
        case .postmaster:
            try await database.cluster.killPostmaster()
            await Self.untilLost(admin)
            try await database.cluster.startServer()
        }
        await admin.close()
        return try await Self.reconnected(database)
    }

    /// Returns once the server has noticed that it is not whole any more, and ended all sessions.
    private static func untilLost(_ connection: PostgresConnection) async {
        let deadline = ContinuousClock.now + patience
        while ContinuousClock.now < deadline {
            do {
                _ = try await connection.query("select pg_sleep(0.01)", timeout: patience)
            } catch {
                return
            }
        }
        Issue.record("a killed backend did not end the others")
    }

    /// Connects once the server is back.
    private static func reconnected(_ database: Database) async throws -> PostgresConnection {
        let deadline = ContinuousClock.now + patience
        while true {
            do {
                return try await database.connect()
            } catch {
                guard ContinuousClock.now < deadline else { throw error }
                try await ContinuousClock().sleep(for: .milliseconds(20))
            }
        }
    }
}
