package import Postgres
package import Secrets

/// Opens sessions for jobs with the main databases of targets, with the care that collection takes.
package struct JobTargets: Sendable {
    private let store: TargetStore
    private let stock: PostgresPool
    private let connector: TargetConnector
    private let collection: TargetCollectionService?

    /// Opens what the store at `configuration` knows; `collection` gives up idle sessions on a target for it.
    package init(
        _ configuration: PostgresConfiguration, _ secrets: SecretOpener, beside collection: TargetCollectionService?
    ) {
        stock = PostgresPool(configuration, size: 1, openLimit: .seconds(5))
        store = TargetStore(pool: stock, instanceID: "")
        connector = TargetConnector(home: configuration, secrets: secrets, clock: ContinuousClock())
        self.collection = collection
    }

    /// A new session, with the settings that the server gives the role.
    ///
    /// - Throws: SQLSTATE PV607 when there is no such target, PV606 for a secret that does not open, PV604 for another
    ///   cluster, 0A000 for a pooler of transactions; else as connecting does.
    package func open(_ name: String) async throws(PostgresError) -> PostgresConnection {
        let target = try await store.mainDatabase(of: name)
        await collection?.giveWay(on: target.description.targetID)
        let connection = try await connector.connect(target.description)
        do throws(PostgresError) {
            let session = try await TargetSession.prepare(connection, target.description.access) {
                () throws(PostgresError) in
                try await connector.connect(target.description)
            }
            if target.description.factsAreDue {
                // Its first contact pins the cluster.
                let facts = try await session.facts(try await store.factsQuery())
                try await store.report(facts: facts, of: target.id, fence: nil)
            }
            try await connection.execute("reset all", timeout: .seconds(5))
            return connection
        } catch {
            await connection.close()
            throw error
        }
    }

    /// Ends the session with the store.
    package func close() async { await stock.close() }
}
