import EmbeddedPostgres
import Postgres
import Runtime
import TestSupport
import Testing

/// What somebody finds who has a copy of the database: no secret, in whatever table it is kept.
@Suite struct SealingTests {
    private static let secrets = [
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "https://hooks.slack.com/services/T0/B0/sesame",
        "https://hc-ping.example/open-sesame", "sesame-password",
    ]

    @Test("row 19: a dump shows no secret of receivers, heartbeats or targets; only a service gets sealed ones")
    func dump() async throws {
        let key = try await CommandLineProgram.run(["key", "new"])
        let folder = try TemporaryFolder()
        var files: [String] = []
        for (number, secret) in Self.secrets.enumerated() {
            files.append(try folder.write(secret, to: "secret\(number)"))
        }
        try await TestDatabase.withDatabase { database in
            for words in [
                ["endpoints", "add", "hook", "--url", "https://hook.example/in", "--secret-file", files[0]],
                ["endpoints", "add", "chat", "--kind", "slack", "--secret-file", files[1]],
                ["endpoints", "rotate-secret", "hook", "--secret-file", files[0]],
                ["heartbeat", "set", "--url-file", files[2]],
                ["targets", "add", "north", "--conninfo", "host=192.0.2.1 user=watch", "--password-file", files[3]],
            ] {
                let report = try await CommandLineProgram.run(
                    words,
                    environment: ["PGVIGIL_DSN": database.conninfo, "PGVIGIL_KEY": String(key.lines.first ?? "")])
                #expect(report.ending == .exited(0), "\(words): \(report.errors)")
            }
            let dump = try await ChildProcess.run(
                ["\(database.cluster.binDirectory)/pg_dump", "--data-only", database.conninfo], environment: [:])
            #expect(dump.ending == .exited(0))
            #expect(dump.output.split(separator: "pgvigil:v1:").count > 5, "sealed they are there")
            for secret in Self.secrets {
                #expect(!dump.output.contains(secret))
                #expect(!dump.output.contains(secret.split(separator: "/").last ?? ""))
            }
            try await rights(database)
        }
    }

    /// No role but a service's gets a sealed secret, and that only with what it is to send.
    private func rights(_ database: Database) async throws {
        let connection = try await database.connect()
        let readers = try await connection.query(
            """
            select format('%s of %s by %s', attribute.attname, class.oid::regclass, role.name)
            from pg_attribute as attribute
            inner join pg_class as class on class.oid = attribute.attrelid and class.relkind in ('r', 'p', 'v')
            inner join pg_namespace as place on place.oid = class.relnamespace and place.nspname ~ '^monitoring'
            cross join unnest(array['monitoring_admin', 'monitoring_service', 'monitoring_analyst', 'monitoring_reader',
                'monitoring_exporter', 'monitoring_collector']) as role (name)
            where attribute.attname ~ '^(previous_)?sealed_' and not attribute.attisdropped
                and has_column_privilege(role.name, class.oid, attribute.attnum, 'select')
            """)
        #expect(readers.map { $0[0] ?? "" } == [])
        let claimers = try await connection.query(
            """
            select role.name from unnest(array['monitoring_admin', 'monitoring_service', 'monitoring_analyst',
                'monitoring_reader', 'monitoring_exporter', 'monitoring_collector']) as role (name)
            where has_function_privilege(role.name, 'monitoring_internal.claim_deliveries(uuid, integer)', 'execute')
                or has_function_privilege(role.name, 'monitoring_internal.claim_heartbeats(uuid)', 'execute')
            """)
        #expect(claimers.map { $0[0] ?? "" } == ["monitoring_service"])
        await connection.close()
    }
}
