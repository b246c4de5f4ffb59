import Postgres

/// How a scheduler runs; what is due and when is decided in the database.
package struct SchedulerSettings: Sendable {
    /// libpq's connection string; empty leaves everything to its environment.
    package var conninfo: String
    /// The version that `service_instances` shows.
    package var version: String
    /// Sessions kept open even while nothing is due.
    package var minimumSessions = 2
    /// The most sessions, and so runs, at once.
    package var maximumSessions = 16
    /// The time between heartbeats; well below the setting `scheduling.lease`.
    package var heartbeatInterval = Duration.seconds(5)
    /// How long running jobs may go on after shutdown was asked for, before they are cancelled.
    package var drainLimit = Duration.seconds(20)
    /// A session that no run needed for this long is closed.
    package var idleLimit = Duration.seconds(60)

    /// How long a database that was too busy to take the file of jobs is left alone with it.
    package var reloadPause = Duration.seconds(10)

    /// Settings with the usual limits.
    package init(conninfo: String = "", version: String) {
        self.conninfo = conninfo
        self.version = version
    }

    var control: PostgresConfiguration {
        PostgresConfiguration(conninfo: conninfo, applicationName: "pgvigil scheduler")
    }

    var execution: PostgresConfiguration {
        PostgresConfiguration(conninfo: conninfo, applicationName: "pgvigil job")
    }
}
