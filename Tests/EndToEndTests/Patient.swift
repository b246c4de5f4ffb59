import EmbeddedPostgres
import Postgres
import Runtime
import TestSupport
import Testing

/// A private cluster with pgvigil on it, whose faults are found and mended as the doctor says.
final class Patient {
    /// A test that waited in vain.
    struct Problem: Error, CustomStringConvertible {
        let description: String
    }

    private static let database = "pgvigil_doctor"
    let cluster: EmbeddedCluster
    private(set) var admin: PostgresConnection

    private init(cluster: EmbeddedCluster, admin: PostgresConnection) {
        self.cluster = cluster
        self.admin = admin
    }

    var configuration: PostgresConfiguration { cluster.configuration(database: Self.database) }
    var conninfo: String { cluster.conninfo(database: Self.database) }
    func conninfo(user: String) -> String { cluster.conninfo(database: Self.database, user: user) }

    /// Runs `body` with a migrated database in a cluster with these settings.
    static func with(
        _ settings: [String: String] = [:], _ body: @escaping (Patient) async throws -> Void
    ) async throws {
        let options = try await TestCluster.migrated(EmbeddedCluster.Options(settings: settings))
        try await TestCluster.withCluster(options) { cluster in
            try await with(cluster, hasStatements: settings["shared_preload_libraries"] == nil, body)
        }
    }

    /// Runs `body` with the migrated database of a cluster.
    static func with(
        _ cluster: EmbeddedCluster, hasStatements: Bool, _ body: (Patient) async throws -> Void
    ) async throws {
        try await TestCluster.nameMigrated(database, in: cluster)
        let admin = try await PostgresConnection.connect(cluster.configuration(database: database))
        if hasStatements { try await admin.execute("create extension if not exists pg_stat_statements") }
        let patient = Patient(cluster: cluster, admin: admin)
        try await body(patient)
        await patient.admin.close()
    }

    /// Restarts the server and connects again.
    func restart() async throws {
        await admin.close()
        try await cluster.restart()
        admin = try await PostgresConnection.connect(configuration)
    }

    /// What the findings of a check about a subject say would mend them.
    func remedies(_ check: String, _ subject: String, hoursLater: Int = 0) async throws -> [String] {
        let source =
            hoursLater == 0
            ? "monitoring.doctor()"
            : "monitoring_internal.doctor_at(clock_timestamp() + interval '\(hoursLater) hours')"
        return try await admin.query(
            "select remedy from \(source) where check_name = $1 and subject = $2 and severity <> 'ok'",
            [check, subject]
        ).compactMap { $0["remedy"] }
    }

    func finds(_ check: String, _ subject: String, hoursLater: Int = 0) async throws -> Bool {
        try await !remedies(check, subject, hoursLater: hoursLater).isEmpty
    }

    /// Whether a check finds nothing at all.
    func isInOrder(_ check: String) async throws -> Bool {
        try await admin.query("select severity from monitoring.doctor() where check_name = $1", [check]).scalar == "ok"
    }

    /// Runs the statements that a finding prints, each by itself as psql does.
    func mend(_ check: String, _ subject: String, hoursLater: Int = 0) async throws {
        let remedies = try await remedies(check, subject, hoursLater: hoursLater)
        #expect(!remedies.isEmpty, "\(check) \(subject) is found")
        for statement in remedies.flatMap({ $0.split(separator: "\n") }) {
            _ = try await admin.query(String(statement))
        }
    }

    /// Asks again and again until it is so.
    func eventually(_ promise: String, _ isSo: () async throws -> Bool) async throws {
        let deadline = Monotonic.now() + .seconds(90)
        while try await !isSo() {
            guard Monotonic.now() < deadline else { throw Problem(description: "not so in 90 s: \(promise)") }
            try await Task.sleep(for: .milliseconds(50))
        }
    }
}
