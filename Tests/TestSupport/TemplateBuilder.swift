import EmbeddedPostgres
import Migrations
import Postgres

/// Makes the template databases of a cluster.
struct TemplateBuilder {
    /// The migrated one's name.
    static let migrated = "template_migrated"

    let cluster: EmbeddedCluster

    /// Makes one and returns its name.
    func make(_ template: TestDatabase.Template) async throws -> String {
        switch template {
        case .empty:
            return "template0"
        case .migrated:
            try await cluster.createDatabase(Self.migrated)
            let options = Migrator.Options(toolVersion: "test")
            _ = try await Migrator(database: cluster.configuration(database: Self.migrated), options: options).up()
            return Self.migrated
        case .migratedWithTAP:
            let migrated = try await SharedCluster.instance.template(.migrated)
            try await cluster.createDatabase("template_tap", template: migrated)
            let connection = try await PostgresConnection.connect(cluster.configuration(database: "template_tap"))
            try await connection.execute(
                "create schema tap; grant usage on schema tap to public; create extension pgtap schema tap")
            await connection.close()
            return "template_tap"
        }
    }
}
