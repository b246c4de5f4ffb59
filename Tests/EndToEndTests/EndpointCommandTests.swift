import Postgres
import Runtime
import TestSupport
import Testing

/// `pgvigil endpoints`.
@Suite struct EndpointCommandTests {
    @Test("X-09: a mailbox and a phone are added with their passwords sealed, and shown without them")
    func addressed() async throws {
        try await TestDatabase.withDatabase { database in
            let folder = try TemporaryFolder()
            let secret = try folder.write("hunter2!\n", to: "secret")
            let key = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="
            func run(_ arguments: [String]) async throws -> CommandLineProgram.Report {
                try await CommandLineProgram.run(
                    ["endpoints"] + arguments + ["--dsn", database.conninfo], environment: ["PGVIGIL_KEY": key])
            }
            let mail = try await run([
                "add", "desk", "--kind", "email", "--url", "smtp://mail.example:587", "--login", "vigil", "--from",
                "vigil@example.org", "--to", "a@example.org, b@example.org", "--secret-file", secret,
            ])
            #expect(mail.ending == .exited(0), "\(mail.errors)")
            let text = try await run([
                "add", "phones", "--kind", "sms", "--url", "https://sms.example/v1", "--to", "+49 30 123",
                "--body", #"{"t": "{{text}}", "n": "{{to}}"}"#, "--secret-file", secret,
            ])
            #expect(text.ending == .exited(0), "\(text.errors)")
            let relay = try await run([
                "add", "relay", "--kind", "email", "--url", "smtp+plain://relay.example:25", "--from",
                "vigil@example.org", "--to", "c@example.org",
            ])
            #expect(relay.ending == .exited(0), "without a login no secret is asked for: \(relay.errors)")
            let connection = try await database.connect()
            let rows = try await connection.query(
                """
                select concat_ws(' ', channel_name, configuration::text, sealed_secret ~ '^pgvigil:v1:') as row
                from monitoring.notification_channels order by channel_name
                """)
            await connection.close()
            #expect(
                rows.map { $0["row"] } == [
                    #"desk {"to": ["a@example.org", "b@example.org"], "url": "smtp://mail.example:587", "#
                        + #""from": "vigil@example.org", "user": "vigil"} t"#,
                    #"phones {"to": ["+49 30 123"], "url": "https://sms.example/v1", "body": {"n": "{{to}}", "#
                        + #""t": "{{text}}"}} t"#,
                    #"relay {"to": ["c@example.org"], "url": "smtp+plain://relay.example:25", "#
                        + #""from": "vigil@example.org"}"#,
                ])
            let list = try await run(["list"])
            #expect(list.output.contains("a@example.org, b@example.org by smtp://mail.example:587"))
            #expect(!list.output.contains("hunter2"))
            let open = try await run([
                "add", "open", "--kind", "email", "--url", "smtp+plain://relay.example", "--login", "vigil", "--from",
                "vigil@example.org", "--to", "c@example.org", "--secret-file", secret,
            ])
            #expect(open.ending != .exited(0))
            #expect(open.errors.contains("smtp+plain would show the password"))
            #expect(!open.errors.contains("hunter2"))
        }
    }
}
