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
            storage: Storage = .temporary, settings: [String: String] = [:], keepsDirectory: Bool = false,
            cacheDirectory: String? = nil,
            environment: [String: String] = ProcessEnvironment.variables()
        ) {
            self.storage = storage
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
            return all.merging(settings) { $1 }
        }

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
