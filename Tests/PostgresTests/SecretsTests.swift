import EmbeddedPostgres
import Glibc
import Postgres
import TestSupport
import Testing

@Suite struct SecretsTests {
    @Test func `an error's description leaks neither data nor parameters`() async throws {
        try await TestDatabase.withDatabase(.empty) { database in
            let connection = try await database.connect()
            try await connection.execute("create table people (name text primary key)")
            _ = try await connection.query("insert into people values ($1)", ["hush-hush"])
            let error = await #expect(throws: PostgresError.self) {
                try await connection.query("insert into people values ($1)", ["hush-hush"])
            }
            #expect(error?.description == "PostgreSQL server error 23505 during query")
            #expect(error.map { "\($0)" }?.contains("hush") == false)
            #expect(error?.debugDescription.contains("Key (name)=(hush-hush) already exists") == true)
            #expect(error?.constraint == "people_pkey")
            await connection.close()
        }
    }

    @Test(arguments: [
        "host=/x password=two words", "postgres://u:two words@/x?bad=words", "password='words", "dbname=x words=1",
        // Signs of a password that are not percent-encoded make a part of it the port or the host.
        "postgres://u:p@ss:words@127.0.0.1/x", "postgres://u:words/p@127.0.0.1/x", "postgres://u:p@words@127.0.0.1/x",
        "postgres://u:p@a,words@127.0.0.1/x", "host=/x port=5432,words",
    ])
    func `a malformed connection string is refused without being repeated`(conninfo: String) async {
        let configuration = PostgresConfiguration(conninfo: conninfo, applicationName: "t")
        let error = await #expect(throws: PostgresError.self) { try await PostgresConnection.connect(configuration) }
        #expect(error?.kind == .usage)
        #expect(error?.hint?.contains("single quotes") == true)
        #expect(error?.debugDescription.contains("words") == false)
        var dumped = ""
        dump(configuration, to: &dumped)
        for text in ["\(configuration)", String(reflecting: configuration), dumped] { #expect(!text.contains("words")) }
    }

    @Test func `a password with blanks and quotes works, a wrong one is told without it`() async throws {
        try await TestCluster.withCluster { cluster in
            try await requirePassword(cluster, password: "it's two words")
            let base = cluster.conninfo(user: "vip")
            let connection = try await PostgresConnection.connect(
                PostgresConfiguration(conninfo: base + #" password='it\'s two words'"#, applicationName: "t"))
            #expect(try await connection.query("select current_user").scalar == "vip")
            await connection.close()
            let wrong = await #expect(throws: PostgresError.self) {
                try await PostgresConnection.connect(
                    PostgresConfiguration(conninfo: base + " password='wrong words'", applicationName: "t"))
            }
            #expect(wrong?.sqlState == "28P01")
            #expect(wrong?.isTransient == false)
            #expect(wrong?.debugDescription.contains("words") == false)
            let missing = await #expect(throws: PostgresError.self) {
                try await PostgresConnection.connect(PostgresConfiguration(conninfo: base, applicationName: "t"))
            }
            #expect(missing?.hint?.contains("password file") == true)
        }
    }

    @Test func `libpq's own service, password file and variables are honoured`() async throws {
        try await TestCluster.withCluster { cluster in
            try await requirePassword(cluster, password: "p")
            let service = "\(cluster.directory)/service.conf"
            let passfile = "\(cluster.directory)/passfile"
            let settings = "host=\(cluster.socketDirectory)\nport=5432\ndbname=postgres\nuser=vip\n"
            #expect(write("[here]\n" + settings + "passfile=\(passfile)\n", to: service))
            #expect(write("*:*:*:vip:p\n", to: passfile))
            await #expect(processExitsWith: .success) { [service = service as String] in
                setenv("PGSERVICEFILE", service, 1)
                setenv("PGAPPNAME", "by variable", 1)
                let connection = try await PostgresConnection.connect(
                    PostgresConfiguration(conninfo: "service=here", applicationName: "fallback"))
                let row = try await connection.query(
                    "select current_user as u, current_setting('application_name') as a"
                ).single()
                #expect(row["u"] == "vip")
                #expect(row["a"] == "by variable")
                await connection.close()
            }
        }
    }

    /// Makes a role that must give a password.
    private func requirePassword(_ cluster: EmbeddedCluster, password: String) async throws {
        let admin = try await PostgresConnection.connect(cluster.configuration())
        let quoted = password.split(separator: "'", omittingEmptySubsequences: false).joined(separator: "''")
        try await admin.execute("create role vip login password '\(quoted)'")
        let file = try await admin.query("show hba_file").scalar
        let path = try #require(file)
        try await admin.execute(
            "copy (values ('local all vip scram-sha-256'), ('local all all trust')) to '\(path)'")
        try await admin.execute("select pg_reload_conf()")
        try await admin.waitUntil("select count(*) = 2 from pg_hba_file_rules")
        await admin.close()
    }

    private func write(_ text: String, to path: String) -> Bool {
        let descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { return false }
        defer { close(descriptor) }
        return Glibc.write(descriptor, text, text.utf8.count) == text.utf8.count
    }
}
