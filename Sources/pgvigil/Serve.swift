import Archiving
import Configuration
import Delivery
import Exporter
import Glibc
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
            .value("external-url", "URL", "where clients reach it (default: their Host)").rare,
            .value("demo", "HOST:PORT", "with --embedded: show an alert on its way to a receiver there").rare,
            .value("jobs", "FILE", "bring the jobs of FILE into force, again at SIGHUP"),
            .flag("migrate", "migrate the database first"),
            .value("job-sessions", "COUNT", "the most jobs at once (default 16)").rare,
            .value("collect-sessions", "COUNT", "the most collectors at once (default 2)").rare,
            .value("target-sessions", "COUNT", "the most sessions on other servers (default 16)").rare,
            .value("allow-networks", "CIDR,...", "internal networks that messages may go to").rare,
            .value("receivers-ca", "FILE", "trust these certificates of receivers").rare,
            .keyFile,
        ] + [CommandOption].archive.dropFirst().map(\.rare) + [
            .value("page-cache", "TIME", "give out a page of metrics again so long (default 1s)").rare,
            .value("tls-cert", "FILE", "serve HTTPS with these certificates"),
            .value("tls-key", "FILE", "the private key of the certificate"),
            .value("bearer-token-file", "FILE", "let in who sends one of these tokens").rare,
            .value("basic-auth-file", "FILE", "let in these users and passwords").rare,
            .flag("auth-probes", "ask for authentication at /healthz and /readyz too").rare,
            .value("log-format", "FORMAT", "json (default), or text for people").rare,
            .value("drain", "TIME", "let jobs finish so long at SIGTERM (default 20s)").rare,
            .value("log-level", "LEVEL", "debug, info (default), warning or error").rare,
        ],
        details: [
            "Ends at SIGTERM once running jobs are done. Logs to standard error.",
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
    var logFormat = LogFormat.json
    var security = ServerSecurity()
    var sender = HTTPSender.Configuration()
    var demo: ListenAddress?
    /// Nil: this instance archives nothing.
    var archive: ArchiveSettings?

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
        try readLogging(invocation)
        try readSecurity(invocation)
        try readDelivery(invocation)
        try readDemo(invocation)
        archive = invocation.value("archive") == nil ? nil : try invocation.archiveSettings()
    }

    private mutating func readDelivery(_ invocation: Invocation) throws(CommandFault) {
        var networks: [Network] = []
        for text in invocation.value("allow-networks")?.split(separator: ",") ?? [] {
            guard let network = Network(String(text)) else {
                throw CommandFault(
                    .usage, "option --allow-networks must be networks such as 10.1.0.0/16,fd00::/8",
                    remedy: "\"\(text)\" is none")
            }
            networks.append(network)
        }
        sender.policy = AddressPolicy(allowing: networks)
        sender.caFile = invocation.value("receivers-ca")
        if let file = sender.caFile, access(file, R_OK) != 0 {
            throw CommandFault(.usage, "cannot read \(file) of --receivers-ca", remedy: "name a PEM file")
        }
    }

    private mutating func readDemo(_ invocation: Invocation) throws(CommandFault) {
        guard let text = invocation.value("demo") else { return }
        guard embeddedDirectory != nil else {
            throw CommandFault(
                .usage, "--demo plants a problem, and does so in a private server only", remedy: "add --embedded DIR")
        }
        guard let address = ListenAddress(text), let bytes = Self.address(address.host) else {
            throw CommandFault(
                .usage, "option --demo must be ADDRESS:PORT such as 127.0.0.1:9878", remedy: "it says \"\(text)\"")
        }
        if let reason = sender.policy.refusal(of: bytes) {
            throw CommandFault(
                .usage, "messages may not go to \(text): \(reason)",
                remedy: "add --allow-networks \(address.host)/32, for this service alone")
        }
        demo = address
    }

    /// The bytes of an IPv4 address.
    private static func address(_ text: String) -> [UInt8]? {
        let bytes = text.split(separator: ".", omittingEmptySubsequences: false).compactMap { UInt8($0) }
        return bytes.count == 4 ? bytes : nil
    }

    private mutating func readLogging(_ invocation: Invocation) throws(CommandFault) {
        if let text = invocation.value("log-level") {
            guard let level = Log.Level(name: text) else {
                throw CommandFault(
                    .usage, "option --log-level must be debug, info, warning or error", remedy: "it says \"\(text)\"")
            }
            logLevel = level
        }
        if let text = invocation.value("log-format") {
            guard let format = LogFormat(rawValue: text) else {
                throw CommandFault(.usage, "option --log-format must be json or text", remedy: "it says \"\(text)\"")
            }
            logFormat = format
        }
    }

    private mutating func readSecurity(_ invocation: Invocation) throws(CommandFault) {
        security.certificatePath = invocation.value("tls-cert")
        security.keyPath = invocation.value("tls-key")
        security.bearerTokenPath = invocation.value("bearer-token-file")
        security.basicAuthPath = invocation.value("basic-auth-file")
        security.guardsProbes = invocation.flag("auth-probes")
        guard (security.certificatePath == nil) == (security.keyPath == nil) else {
            throw CommandFault(.usage, "--tls-cert and --tls-key need each other", remedy: "name both files, or none")
        }
        do throws(SecurityFault) {
            try security.check()
        } catch {
            throw CommandFault(.usage, error.message, remedy: error.remedy)
        }
    }
}

extension ExitStatus {
    /// Another process listens where the service was told to.
    static let portTaken = ExitStatus(code: 14)
}
