import EmbeddedPostgres
import Glibc
import Postgres
import Runtime
import TestSupport
import Testing

/// What `make run` shows: a problem in the private database becomes an alert and arrives, signed, at a receiver.
@Suite struct DemoTests {
    @Test("row 74: a planted problem is measured, judged, and told once, signed, to a receiver that prints it")
    func wholeChain() async throws {
        let folder = try TemporaryFolder()
        let key = try await CommandLineProgram.run(["key", "new"])
        let jobs = try folder.write(
            """
            version: 1
            jobs:
              - name: evaluate-alerts
                schedule: "@every 1s"
                sql: select monitoring.evaluate_alerts()
            """, to: "jobs.yml")
        let arguments = [
            "--embedded", folder.newPath("state"), "--demo", "127.0.0.1:0", "--allow-networks", "127.0.0.1/32",
            "--jobs", jobs,
        ]
        let process = try ServeProcess(
            arguments, folder: folder, environment: ["PGVIGIL_KEY": String(key.lines.first ?? "")])
        do {
            try await process.eventually("the alert arrives", within: .seconds(120)) {
                process.output.contains("received: alert.fired  critical  A transaction was begun and forgotten")
            }
            let line = try #require(process.output.split(separator: "\n").last { $0.hasPrefix("received:") })
            #expect(line.contains("(signature verified, msg_"), "\(line)")
            #expect(!process.output.contains("WRONG") && !process.output.contains("again"), "\(process.output)")
            #expect(await process.stop() == .exited(0), "\(process.log)")
        } catch {
            process.child.signal(SIGKILL)
            _ = await process.child.wait()
            throw error
        }
    }

    @Test("a demonstration is for a private server, and its receiver has to be among the networks that are allowed")
    func refused() async throws {
        let outside = try await ServeProcess.refused(["--dsn", "host=127.0.0.1 port=1", "--demo", "127.0.0.1:0"])
        #expect(outside.ending == .exited(2))
        #expect(outside.output.contains("add --embedded DIR"), "\(outside.output)")
        let unnamed = try await ServeProcess.refused(["--embedded", "/nonexistent/state", "--demo", "127.0.0.1:0"])
        #expect(unnamed.ending == .exited(2))
        #expect(
            unnamed.output.contains("messages may not go to 127.0.0.1:0: loopback; add --allow-networks 127.0.0.1/32"),
            "\(unnamed.output)")
    }
}
