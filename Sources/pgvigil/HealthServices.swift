import Collection
import Postgres
import Runtime
import Scheduling

/// The services that measure the machine and the business.
enum HealthServices {
    /// One of each, for the service `instanceID`.
    static func all(
        conninfo: String, instanceID: String, shutdown: GracefulShutdown, log: Log
    ) -> [any Service] {
        let host = ProcessIdentity().hostName
        return [
            HostMonitor(
                configuration: PostgresConfiguration(conninfo: conninfo, applicationName: "pgvigil host"),
                hostName: host.isEmpty ? "unknown" : host, shutdown: shutdown, log: log),
            KPIService(
                configuration: PostgresConfiguration(conninfo: conninfo, applicationName: "pgvigil kpis"),
                instanceID: instanceID, shutdown: shutdown, log: log),
        ]
    }
}
