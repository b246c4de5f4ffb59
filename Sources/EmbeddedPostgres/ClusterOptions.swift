import Runtime

extension EmbeddedCluster {
    /// What kind of cluster is wanted.
    package struct Options: Sendable {
        /// Where the data lives.
        package enum Storage: Sendable, Equatable {
            /// In memory where there is room; removed when the cluster ends.
            case temporary
            /// In this folder; it stays and is used again.
            case persistent(directory: String)
        }

        /// Where the data lives.
        package var storage: Storage
        /// What the data is when there is none yet.
        package enum Origin: Sendable {
            /// A new cluster.
            case fresh
            /// A standby of another cluster of ours.
            case standby(of: EmbeddedCluster)
            /// A base backup of another server, taken now; its connection string goes by a file, never by an argument.
            case backup(of: String)
            /// A copy of a base backup that is there, in plain format.
            case copy(of: String)
            /// A copy of the data of a cluster of ours whose server is stopped.
            case twin(of: EmbeddedCluster)
        }

        /// What the data is when there is none yet.
        package var origin: Origin
        /// A port of 127.0.0.1 to listen on too, where passwords are asked for by scram-sha-256; nil: none.
        package var tcpPort: UInt16?
        /// Server settings beyond the usual ones; a name given here wins.
        package var settings: [String: String]
        /// Leaves a temporary cluster's folder behind, for looking at it afterwards.
        package var keepsDirectory: Bool
        /// Where initialised data directories are kept for copying; nil for a folder of the server's account in /var/tmp.
        package var cacheDirectory: String?
        /// Where PGVIGIL_PG_BIN is looked up.
        package var environment: [String: String]

        /// A cluster for tests: fast, gone when the process ends, unless a folder is given.
        package init(
            storage: Storage = .temporary, origin: Origin = .fresh, tcpPort: UInt16? = nil,
            settings: [String: String] = [:], keepsDirectory: Bool = false,
            cacheDirectory: String? = nil,
            environment: [String: String] = ProcessEnvironment.variables()
        ) {
            self.storage = storage
            self.origin = origin
            self.tcpPort = tcpPort
            self.settings = settings
            self.keepsDirectory = keepsDirectory
            self.cacheDirectory = cacheDirectory
            self.environment = environment
        }

        /// The settings that the server gets.
        func serverSettings(socketDirectory: String, hasStatementStatistics: Bool) -> [String: String] {
            var all = Self.common
            if storage == .temporary { all.merge(Self.fast) { $1 } }
            if hasStatementStatistics { all["shared_preload_libraries"] = "pg_stat_statements" }
            all["unix_socket_directories"] = socketDirectory
            if let tcpPort {
                all["listen_addresses"] = "127.0.0.1"
                all["port"] = String(tcpPort)
                all["password_encryption"] = "scram-sha-256"
            }
            return all.merging(settings) { $1 }
        }

        /// Who may connect: anybody by the socket, whoever knows a password by TCP.
        static let passwordRules = """
            local all all trust
            local replication all trust
            host all all 127.0.0.1/32 scram-sha-256
            host replication all 127.0.0.1/32 scram-sha-256

            """

        /// Who may connect to a restored backup: whoever may reach the socket.
        static let restoredRules = "local all all trust\n"

        private static let common = [
            "listen_addresses": "", "port": "5432", "unix_socket_permissions": "0700", "timezone": "UTC",
            "log_timezone": "UTC", "lc_messages": "C", "log_line_prefix": "%m [%p] %q%u@%d %a ",
            "log_destination": "stderr", "logging_collector": "off", "track_io_timing": "on",
            "track_wal_io_timing": "on", "track_functions": "all", "compute_query_id": "on",
        ]
        private static let fast = [
            "fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "autovacuum": "off",
            "max_connections": "200", "shared_buffers": "64MB", "max_wal_size": "1GB", "jit": "off",
        ]
    }
}
