package import Postgres
import Runtime
package import Secrets

/// One visit to a target by hand: everything that the service does before it collects, and nothing of the rest.
package struct TargetProbe: Sendable {
    private let store: TargetStore
    private let stock: PostgresPool
    private let connector: TargetConnector

    /// Visits targets of the store that `configuration` names.
    package init(_ configuration: PostgresConfiguration, secrets: SecretOpener) {
        stock = PostgresPool(configuration, size: 1, openLimit: .zero)
        store = TargetStore(pool: stock, instanceID: "")
        connector = TargetConnector(home: configuration, secrets: secrets, clock: ContinuousClock())
    }

    /// Connects to the target's main database and has the store note what the server says of itself.
    ///
    /// - Throws: SQLSTATE PV607 when there is no such target, PV606 for a secret that does not open, PV604 for another
    ///   cluster, 0A000 for a pooler of transactions; else as connecting does.
    package func visit(_ name: String) async throws(PostgresError) {
        let target = try await store.mainDatabase(of: name)
        let connection = try await connector.connect(target.description)
        do throws(PostgresError) {
            let session = try await TargetSession.prepare(connection, target.description.access) {
                () throws(PostgresError) in
                try await connector.connect(target.description)
            }
            let facts = try await session.facts(try await store.factsQuery())
            await session.close()
            try await store.report(facts: facts, of: target.id, fence: nil)
        } catch {
            await connection.close()
            throw error
        }
    }

    /// Runs one statement that only reads in the target's main database, with the settings that the server has.
    ///
    /// - Throws: as `visit` does, or what the server said.
    package func ask(_ name: String, _ statement: String) async throws(PostgresError) -> PostgresRows {
        let target = try await store.mainDatabase(of: name)
        let connection = try await connector.connect(target.description)
        do throws(PostgresError) {
            _ = try await connection.query(
                """
                select set_config('search_path', 'pg_catalog', false),
                    set_config('default_transaction_read_only', 'on', false)
                """, timeout: .seconds(10))
            let rows = try await connection.query(statement, timeout: .seconds(60))
            await connection.close()
            return rows
        } catch {
            await connection.close()
            throw error
        }
    }

    /// Ends the session with the store.
    package func close() async { await stock.close() }
}
