package import EmbeddedPostgres
import Glibc
package import Postgres
import Runtime

/// A database for one test: a clone of a template, made in tens of milliseconds and dropped afterwards.
package enum TestDatabase {
    /// What the database holds at first.
    package enum Template: Sendable, Hashable {
        /// Nothing.
        case empty
        /// All of pgvigil, freshly installed.
        case migrated
        /// All of pgvigil, and pgTAP in the schema `tap`.
        case migratedWithTAP
    }

    private static let counter = Lock(0)

    /// Runs `body` with a database of its own in the process's shared cluster.
    ///
    /// - Throws: what `body` throws, or what making the database threw.
    package static func withDatabase<R>(
        _ template: Template = .migrated, _ body: @escaping (Database) async throws -> R
    ) async throws -> R {
        let cluster = try await TestCluster.shared()
        let source = try await SharedCluster.instance.template(template)
        let name = counter.withLock { count in
            count += 1
            return "test_\(count)"
        }
        try await cluster.createDatabase(name, template: source)
        let database = Database(name: name, cluster: cluster)
        do {
            let result = try await TestCluster.withServerLog(of: cluster) { try await body(database) }
            try await drop(database)
            return result
        } catch {
            try? await drop(database)
            throw error
        }
    }

    private static func drop(_ database: Database) async throws {
        guard !TestCluster.keeps else {
            print("kept: \(database.cluster.psqlCommand(database: database.name))")
            return
        }
        try await database.cluster.dropDatabase(database.name)
    }
}

/// One database of a test cluster.
package struct Database: Sendable {
    /// Its name.
    package let name: String
    /// The cluster it is in.
    package let cluster: EmbeddedCluster

    /// A connection string for the superuser.
    package var conninfo: String { cluster.conninfo(database: name) }

    /// How the superuser connects.
    package var configuration: PostgresConfiguration {
        cluster.configuration(database: name, applicationName: "pgvigil test")
    }

    /// Connects as the superuser, or with the rights of `role`, which needs no LOGIN.
    ///
    /// - Throws: `PostgresError`.
    package func connect(as role: String? = nil) async throws -> PostgresConnection {
        let connection = try await PostgresConnection.connect(configuration)
        if let role {
            try await connection.execute("set session authorization \(PostgresConnection.quotedIdentifier(role))")
        }
        return connection
    }
}
