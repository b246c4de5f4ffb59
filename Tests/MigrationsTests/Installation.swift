import EmbeddedPostgres
import Migrations
import Postgres
import Runtime
import TestSupport

/// What the tests of the migrator share.
enum Installation {
    /// Options that give up early.
    static var options: Migrator.Options {
        var options = Migrator.Options(toolVersion: "test")
        options.lockTimeout = .milliseconds(200)
        return options
    }

    static func migrator(
        _ database: Database, _ source: SQLSource = .embedded, _ options: Migrator.Options = options,
        onEvent: @escaping @Sendable (MigrationEvent) -> Void = { _ in }
    ) -> Migrator {
        Migrator(source: source, database: database.configuration, options: options, onEvent: onEvent)
    }

    /// The catalogue of a database's schemas of ours.
    static func catalog(_ database: Database) async throws -> [CatalogObject] {
        try await withConnection(database) { try await Catalog.objects($0) }
    }

    static func withConnection<R>(
        _ database: Database, _ body: (PostgresConnection) async throws -> R
    ) async throws -> R {
        let connection = try await database.connect()
        do {
            let result = try await body(connection)
            await connection.close()
            return result
        } catch {
            await connection.close()
            throw error
        }
    }

    /// The first value that a query yields.
    static func scalar(_ database: Database, _ sql: String) async throws -> String? {
        try await withConnection(database) { try await $0.query(sql).scalar }
    }

    /// The fault that `body` ends with.
    static func fault(_ body: () async throws -> Void) async throws -> MigrationFault? {
        do {
            try await body()
            return nil
        } catch let fault as MigrationFault {
            return fault
        }
    }
}

/// Collects what a migrator tells.
final class EventLog: Sendable {
    private let log = Lock([MigrationEvent]())

    var events: [MigrationEvent] { log.withLock { $0 } }

    func add(_ event: MigrationEvent) { log.withLock { $0.append(event) } }
}
