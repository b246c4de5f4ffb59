/// Whether the database's server runs on this machine, as far as it can be proven; else why its figures are unknown.
package struct HostPlacement: Sendable, Equatable {
    /// The server's data directory, when the server was proven to run here.
    package let directory: String?
    /// A process of the server, by which its control groups are found.
    package let process: String?
    /// Why it was not proven.
    package let reason: String?

    /// Whether it was proven.
    package var isDatabaseHost: Bool { reason == nil }

    /// Decides by what the database says about this connection and what is to be seen here.
    ///
    /// A loopback address may be a tunnel, and a path may exist on both machines: the backend's process decides.
    package init(isLocalConnection: Bool, dataDirectory: String?, backendProcess: String, files: HostFiles) {
        var reason: String?
        if !isLocalConnection {
            reason = "the service reaches the server over the network, so its machine is not known to be the server's"
        } else if files.text("/proc/\(backendProcess)/comm").map({ !$0.hasPrefix("postgres") }) ?? true {
            reason = "the server's processes are not to be seen on the service's machine"
        } else if dataDirectory == nil {
            reason = "monitoring_owner may not read data_directory; run: grant pg_monitor to monitoring_owner;"
        } else if dataDirectory.flatMap({ files.use(ofFilesystem: $0) }) == nil {
            reason = "the server's data directory is not to be seen on the service's machine"
        }
        self.reason = reason
        directory = reason == nil ? dataDirectory : nil
        process = reason == nil ? backendProcess : nil
    }
}
