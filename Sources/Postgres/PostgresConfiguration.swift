package import Runtime

/// Where and how to connect; whatever it leaves open, libpq fills in from its environment, service and password files.
package struct PostgresConfiguration: Sendable {
    /// A libpq connection string or URI, or empty; its settings win over all defaults of this type.
    package let conninfo: String
    /// Settings that win over the connection string's, by keyword, such as dbname.
    package let overrides: [String: String]
    /// The password, whatever the connection string says; nil leaves it to that.
    package let password: SecretBytes?
    /// The name that `pg_stat_activity` shows unless the user's settings give another.
    package let applicationName: String
    /// The time for the whole attempt, all hosts together, unless the user's settings give `connect_timeout`.
    package let connectTimeout: Duration
    /// The most that the user's own `connect_timeout` may allow; nil: anything.
    package let connectLimit: Duration?
    /// How long the server may take to obey a cancel request before the connection is given up.
    package let cancelLimit: Duration
    /// Takes notices and warnings of the server on the connection's thread; by default nothing does.
    package let onNotice: (@Sendable (PostgresNotice) -> Void)?

    /// Describes a connection; nothing is opened or checked yet.
    package init(
        conninfo: String = "", overrides: [String: String] = [:], password: SecretBytes? = nil, applicationName: String,
        connectTimeout: Duration = .seconds(10), connectLimit: Duration? = nil,
        cancelLimit: Duration = .seconds(10), onNotice: (@Sendable (PostgresNotice) -> Void)? = nil
    ) {
        self.conninfo = conninfo
        self.overrides = overrides
        self.password = password
        self.applicationName = applicationName
        self.connectTimeout = connectTimeout
        self.connectLimit = connectLimit
        self.cancelLimit = cancelLimit
        self.onNotice = onNotice
    }
}

extension PostgresConfiguration: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    /// Nothing of the connection string, which may hold a password.
    package var description: String { "PostgreSQL connection as \(applicationName)" }

    /// The same as `description`: not even a debugger's output shows the connection string.
    package var debugDescription: String { description }

    /// Hides the connection string from `dump`.
    package var customMirror: Mirror { Mirror(self, children: ["applicationName": applicationName]) }
}
