import EmbeddedPostgres
import Postgres
import TestSupport
import Testing

@Suite struct EncryptionTests {
    @Test func `TLS is asked for and checked as the connection string says, and statements can be cancelled over it`()
        async throws
    {
        // An address of its own in the loopback network, so that no other server's port is in the way.
        let address = "127.\(Int.random(in: 2...254)).\(Int.random(in: 2...254)).\(Int.random(in: 2...254))"
        try await TestCluster.withCluster(.init(settings: ["listen_addresses": address])) { cluster in
            let certificate = try await encrypt(cluster)
            let base = "host=\(address) dbname=postgres user=postgres sslrootcert=\(certificate)"
            let connection = try await PostgresConnection.connect(
                PostgresConfiguration(conninfo: base + " sslmode=verify-ca", applicationName: "t"))
            let isEncrypted = try await connection.query("select ssl from pg_stat_ssl where pid = pg_backend_pid()")
            #expect(isEncrypted.scalar == "t")
            let error = await #expect(throws: PostgresError.self) {
                try await connection.query("select pg_sleep(600)", timeout: .milliseconds(50))
            }
            #expect(error?.kind == .timeout)
            let big = try await connection.query("select repeat('x', 3000000)")
            #expect(big.scalar?.utf8.count == 3_000_000)
            await connection.close()
            let stranger = await #expect(throws: PostgresError.self) {
                try await PostgresConnection.connect(
                    PostgresConfiguration(conninfo: base + " sslmode=verify-full", applicationName: "t"))
            }
            #expect(stranger?.kind == .connection)
            #expect(stranger?.message.contains("does not match host name") == true)
        }
    }

    /// Lets the server make a certificate for another name and admit only encrypted sessions from the network.
    private func encrypt(_ cluster: EmbeddedCluster) async throws -> String {
        let admin = try await PostgresConnection.connect(cluster.configuration())
        let data = try #require(try await admin.query("show data_directory").scalar)
        try await admin.execute(
            """
            copy (select 1) to program 'openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=elsewhere.test \
            -keyout \(data)/server.key -out \(data)/server.crt && chmod 600 \(data)/server.key'
            """)
        try await admin.execute(
            """
            copy (values ('local all all trust'), ('hostssl all all 127.0.0.0/8 trust')) to '\(data)/pg_hba.conf'
            """)
        try await admin.execute("alter system set ssl = on")
        try await admin.execute("select pg_reload_conf()")
        try await admin.waitUntil("select current_setting('ssl') = 'on' and count(*) = 2 from pg_hba_file_rules")
        await admin.close()
        return "\(data)/server.crt"
    }
}
