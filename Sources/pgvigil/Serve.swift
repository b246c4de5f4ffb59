import Configuration
import Exporter
import Runtime

extension Command {
    /// `pgvigil serve`: the service.
    static let serve = Command(
        name: "serve",
        summary: "run jobs, collect, and answer Prometheus",
        options: [
            .dsn,
            .value("embedded", "DIR", "run a private PostgreSQL in DIR, migrated"),
            .value("listen", "HOST:PORT", "where to answer HTTP (default 127.0.0.1:9877)"),
            .value("external-url", "URL", "where clients reach it (default: their Host)"),
            .value("jobs", "FILE", "bring the jobs of FILE into force, again at SIGHUP"),
            .flag("migrate", "migrate the database first"),
            .value("job-sessions", "COUNT", "the most jobs at once (default 16)"),
            .value("collect-sessions", "COUNT", "the most collectors at once (default 2)"),
            .value("target-sessions", "COUNT", "the most sessions on other servers (default 16)"),
            .keyFile,
            .value("page-cache", "TIME", "give out a page again so long (default 1s)"),
            .value("drain", "TIME", "let jobs finish so long at SIGTERM (default 20s)"),
            .value("log-level", "LEVEL", "debug, info (default), warning or error"),
        ],
        details: [
            "Ends at SIGTERM once running jobs are done. Logs JSON lines to standard error.",
            "Exit status 14: the port is taken; 12: the schema is newer; 3: not migrated.",
        ],
        body: { try await ServeCommand(invocation: $0).run() })
}

/// What the options of `serve` say.
struct ServeSettings: Sendable {
    var address = ListenAddress(host: "127.0.0.1", port: 9877)
    var externalURL: ExternalURL?
    var jobsPath: String?
    var embeddedDirectory: String?
    var migrates = false
    var jobSessions = 16
    var collectSessions = 2
    var targetSessions = 16
    var pageCache: Duration = .seconds(1)
    var drain: Duration = .seconds(20)
    var logLevel = Log.Level.info

    /// Reads the options.
    /// - Throws: `CommandFault` of status usage.
    init(_ invocation: Invocation) throws(CommandFault) {
        if let text = invocation.value("listen") {
            guard let address = ListenAddress(text) else {
                throw CommandFault(
                    .usage, "option --listen must be HOST:PORT such as 127.0.0.1:9877", remedy: "it says \"\(text)\"")
            }
            self.address = address
        }
        if let text = invocation.value("external-url") {
            guard let url = ExternalURL(text) else {
                throw CommandFault(
                    .usage, "option --external-url must be a URL such as https://watch.example:8443/pgvigil",
                    remedy: "it says \"\(text)\"")
            }
            externalURL = url
        }
        jobsPath = invocation.value("jobs")
        embeddedDirectory = invocation.value("embedded")
        if embeddedDirectory != nil, invocation.value("dsn") != nil {
            throw CommandFault(
                .usage, "--embedded and --dsn exclude each other", remedy: "a private PostgreSQL needs no --dsn")
        }
        migrates = invocation.flag("migrate") || embeddedDirectory != nil
        jobSessions = try invocation.integer("job-sessions", in: 1...200) ?? jobSessions
        collectSessions = try invocation.integer("collect-sessions", in: 1...50) ?? collectSessions
        targetSessions = try invocation.integer("target-sessions", in: 1...500) ?? targetSessions
        pageCache = try invocation.duration("page-cache") ?? pageCache
        drain = try invocation.duration("drain") ?? drain
        if let text = invocation.value("log-level") {
            guard let level = Log.Level(name: text) else {
                throw CommandFault(
                    .usage, "option --log-level must be debug, info, warning or error", remedy: "it says \"\(text)\"")
            }
            logLevel = level
        }
    }
}

extension ExitStatus {
    /// Another process listens where the service was told to.
    static let portTaken = ExitStatus(code: 14)
}
