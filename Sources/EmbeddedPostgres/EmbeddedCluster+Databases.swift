import Postgres
import Runtime

extension EmbeddedCluster {
    /// Makes a database as a copy of another one, by copying files: tens of milliseconds.
    ///
    /// The template must have no sessions. Runs over one connection that is kept.
    package func createDatabase(_ name: String, template: String = "template0") async throws {
        let names = [name, template].map { PostgresConnection.quotedIdentifier($0) }
        try await administer("create database \(names[0]) template \(names[1]) strategy file_copy")
    }

    /// Drops a database and ends its sessions.
    package func dropDatabase(_ name: String) async throws {
        try await administer("drop database if exists \(PostgresConnection.quotedIdentifier(name)) with (force)")
    }

    private func administer(_ statement: String) async throws(PostgresError) {
        try await adminConnection().execute(statement)
    }

    private func adminConnection() async throws(PostgresError) -> PostgresConnection {
        if let kept = admin.withLock({ $0 }), kept.isOpen { return kept }
        let opened = try await PostgresConnection.connect(configuration(applicationName: "pgvigil admin"))
        return admin.withLock { admin in
            if let kept = admin, kept.isOpen { return kept }
            admin = opened
            return opened
        }
    }
}
