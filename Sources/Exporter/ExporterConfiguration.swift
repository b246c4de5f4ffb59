package import Postgres

/// How the exporter listens and what it allows its clients.
package struct ExporterConfiguration: Sendable {
    /// The name or address to listen on; empty for every address of the machine.
    package var host: String
    /// The port to listen on; 0 lets the system choose.
    package var port: UInt16
    /// The database whose store is shown.
    package var database: PostgresConfiguration
    /// The version of this program, for `pgvigil_build_info`.
    package var version: String
    /// The newest migration that this program knows, four digits: `/readyz` compares it with the database's.
    package var schemaVersion: String
    /// Where clients reach the exporter, when that is not the host that they name in their requests.
    package var externalURL: ExternalURL?
    /// What protects it.
    package var security = ServerSecurity()
    /// How long a page is served again without asking the database.
    package var cacheLifetime: Duration = .seconds(1)
    /// How long the database may take for a page; Prometheus itself gives up after 10 s by default.
    package var renderLimit: Duration = .seconds(9)
    /// How long the database may take to say that it is ready.
    package var readinessLimit: Duration = .seconds(2)
    /// Connections at once; when half of them are used up, each new one ends the one that has been idle longest.
    package var connectionLimit = 256
    /// Pages that are waited for or sent at once; the rest of the connections stay free for `/healthz`.
    package var scrapeLimit = 64
    /// How long a client may take to send its first request.
    package var headerLimit: Duration = .seconds(5)
    /// How long a request may take from its last header to the last byte of its response.
    package var responseLimit: Duration = .seconds(30)
    /// How long a connection may wait for its next request.
    package var idleLimit: Duration = .seconds(120)

    /// The usual limits.
    package init(
        host: String, port: UInt16, database: PostgresConfiguration, version: String, schemaVersion: String
    ) {
        self.host = host
        self.port = port
        self.database = database
        self.version = version
        self.schemaVersion = schemaVersion
    }
}
