import EmbeddedPostgres
import Glibc
import Postgres
import Runtime
import TestSupport
import Testing

/// A server of its own that pgvigil reaches over TCP alone, with scram-sha-256, and on which nothing is installed.
struct RemoteServer {
    let cluster: EmbeddedCluster

    /// The password of every role made here.
    static let password = "s3cret pass'word\\ é"

    /// Runs `body` with a new server, or a standby; `directory` makes it another cluster than all others.
    ///
    /// Temporary clusters are copies of one, with one and the same system identifier.
    static func with<R>(
        settings: [String: String] = [:], origin: EmbeddedCluster.Options.Origin = .fresh, directory: String? = nil,
        _ body: @escaping (RemoteServer) async throws -> R
    ) async throws -> R {
        let storage = directory.map { EmbeddedCluster.Options.Storage.persistent(directory: $0) }
        let options = EmbeddedCluster.Options(
            storage: storage ?? .temporary, origin: origin, tcpPort: try freePort(), settings: settings)
        return try await TestCluster.withCluster(options) { cluster in try await body(RemoteServer(cluster: cluster)) }
    }

    /// A session of its superuser.
    func connect(_ database: String = "postgres") async throws -> PostgresConnection {
        try await PostgresConnection.connect(cluster.configuration(database: database, applicationName: "test"))
    }

    /// Runs a script as its superuser.
    func execute(_ script: String, in database: String = "postgres") async throws {
        let connection = try await connect(database)
        try await connection.execute(script)
        await connection.close()
    }

    /// Makes the one role that pgvigil needs.
    func makeWatcher(_ name: String = "watcher", password: String = password) async throws {
        let connection = try await connect()
        let quoted = try await connection.query("select quote_literal($1)", [password]).scalar ?? ""
        // Contrib, which one collector needs; nothing of ours.
        try await connection.execute("create extension if not exists pg_stat_statements")
        try await connection.execute(
            "create role \(name) login connection limit 4 in role pg_monitor password \(quoted)")
        await connection.close()
    }

    /// The connection string of the role, through a proxy if one is given.
    func conninfo(_ user: String = "watcher", port: UInt16? = nil) -> String {
        "host=127.0.0.1 port=\(port ?? cluster.port) user=\(user) dbname=postgres"
    }
}

/// The store of a test with its key, and the commands that look after targets.
struct Watch {
    let database: Database
    let folder: TemporaryFolder
    let keyFile: String

    /// The login of the service: a plain member of monitoring_service.
    var service: String { login("service") }
    /// The login of an administrator who may not open secrets.
    var admin: String { login("admin") }
    /// The login of whoever looks after targets: both of these.
    var operators: String { login("operators") }

    private func login(_ name: String) -> String {
        database.cluster.conninfo(database: database.name, user: "\(name)_of_\(database.name)")
    }

    /// Runs `body` with a fresh store and a key; every collector is due often.
    static func with<R>(_ body: @escaping (Watch) async throws -> R) async throws -> R {
        try await TestDatabase.withDatabase { database in
            let folder = try TemporaryFolder()
            let watch = Watch(database: database, folder: folder, keyFile: "\(folder.path)/key")
            try await watch.succeed(["key", "new", "--output", watch.keyFile])
            let connection = try await database.connect()
            let logins = [
                "service": "monitoring_service", "admin": "monitoring_admin",
                "operators": "monitoring_admin, monitoring_service",
            ]
            for (name, roles) in logins {
                try await connection.execute("create role \(name)_of_\(database.name) login in role \(roles)")
            }
            for (name, value) in [
                ("targets.retry_limit", "2s"), ("targets.connect_timeout", "2s"), ("targets.facts_every", "2s"),
            ] {
                try await connection.execute("select monitoring.set_setting('\(name)', '\(value)')")
            }
            try await connection.execute(
                "update monitoring.collectors set custom_every = '1s' where name in ('instance', 'activity', 'database')"
            )
            do {
                let result = try await body(watch)
                for name in logins.keys { try await connection.execute("drop role \(name)_of_\(database.name)") }
                await connection.close()
                return result
            } catch {
                await connection.close()
                throw error
            }
        }
    }

    /// Runs `pgvigil targets …` on the store.
    func targets(_ arguments: [String]) async throws -> CommandLineProgram.Report {
        try await CommandLineProgram.run(
            ["targets"] + arguments,
            environment: ["PGVIGIL_DSN": operators, "PGVIGIL_KEY_FILE": keyFile])
    }

    /// Adds a server, its password from a file.
    func add(_ name: String, _ conninfo: String, _ more: [String] = [], password: String = RemoteServer.password)
        async throws
    {
        let file = try folder.write(password + "\n", to: "password-\(name)")
        try await succeed(
            ["targets", "add", name, "--conninfo", conninfo, "--password-file", file] + more)
    }

    /// Runs a command that is to end well, and returns what it said.
    @discardableResult
    func succeed(_ arguments: [String], sourceLocation: SourceLocation = #_sourceLocation) async throws -> String {
        let report = try await CommandLineProgram.run(
            arguments, environment: ["PGVIGIL_DSN": operators, "PGVIGIL_KEY_FILE": keyFile])
        #expect(report.ending == .exited(0), "\(report.errors)", sourceLocation: sourceLocation)
        return report.output
    }

    /// Serves the store while `body` runs.
    func serving<R>(
        _ more: [String] = [], _ body: (ServeProcess, UInt16) async throws -> R
    ) async throws -> R {
        try await ServeProcess.with(["--dsn", service, "--key-file", keyFile] + more, body)
    }

    /// The first value of a query on the store.
    func scalar(_ sql: String) async throws -> String? {
        let connection = try await database.connect()
        let value = try await connection.query(sql).scalar
        await connection.close()
        return value
    }

    /// Waits until a query on the store gives `t`.
    func becomesTrue(_ process: ServeProcess, _ sql: String) async throws {
        try await process.eventually(sql) { try await scalar(sql) == "t" }
    }

    /// Waits until a target is in a state.
    func waits(_ process: ServeProcess, for status: String, of name: String) async throws {
        try await becomesTrue(
            process, "select status = '\(status)' from monitoring.target_status where name = '\(name)'")
    }
}
