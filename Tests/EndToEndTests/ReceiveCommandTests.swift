import EmbeddedPostgres
import Glibc
import Runtime
import TestSupport
import Testing

/// `pgvigil receive`, the other end of a webhook, which believes what is signed and nothing else.
@Suite struct ReceiveCommandTests {
    @Test("a receiver for trying takes signed messages, tells what comes again, and refuses the rest with a line")
    func receives() async throws {
        let folder = try TemporaryFolder()
        let secret = try folder.write("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", to: "secret")
        let output = folder.newPath("out")
        let child = try CommandLineProgram.start(
            ["receive", "--listen", "127.0.0.1:0", "--secret-file", secret, "--count", "3"], output: output,
            errors: folder.newPath("errors"))
        let port = try await Self.port(output)
        // Signed by openssl, not by ours, over the bytes that a database writes.
        let alert = #"{"title": "Disk \"a\" is full", "severity": "high"}"#
        let body = #"{"data": {"alerts": [\#(alert)]}, "type": "alert.fired"}"#
        let script = """
            body='\(body)'; now=$(date +%s)
            key=$(printf MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw | base64 -d | od -An -tx1 | tr -d ' \\n')
            sign() {
                printf '%s' "msg_1.$now.$body" | openssl dgst -sha256 -mac HMAC -macopt hexkey:$key -binary | base64
            }
            send() {
                exec 3<>/dev/tcp/127.0.0.1/\(port)
                printf 'POST / HTTP/1.1\\r\\nHost: x\\r\\nwebhook-id: msg_1\\r\\nwebhook-timestamp: %s\\r\\n' "$now" >&3
                printf 'webhook-signature: v1,%s\\r\\nContent-Length: %s\\r\\n\\r\\n%s' "$1" "${#body}" "$body" >&3
                head -1 <&3; exec 3>&-
            }
            send "$(sign)"; send "$(sign)"; body='{"type": "alert.resolved"}'; send AAAA
            """
        let sent = try await ChildProcess.run(["/bin/bash", "-c", script], environment: ["PATH": "/usr/bin:/bin"])
        #expect(
            sent.output.split(whereSeparator: \.isNewline) == [
                "HTTP/1.1 204 No Content", "HTTP/1.1 204 No Content", "HTTP/1.1 401 Unauthorized",
            ], "\(sent.output)")
        #expect(await child.wait() == .exited(0), "it ends after so many")
        let lines = TemporaryFolder.read(output).split(separator: "\n").dropFirst()
        #expect(
            lines == [
                "alert.fired  high  Disk \"a\" is full  (signature verified, msg_1)",
                "alert.fired  high  Disk \"a\" is full  (signature verified, again, msg_1)",
                "alert.resolved  (SIGNATURE WRONG: refused, msg_1)",
            ])
    }

    @Test("what is no signing secret is refused")
    func refused() async throws {
        let folder = try TemporaryFolder()
        let secret = try folder.write("sesame", to: "secret")
        let report = try await CommandLineProgram.run(["receive", "--secret-file", secret])
        #expect(report.ending == .exited(2))
        #expect(report.errors.contains("the secret is not of the form whsec_"), "\(report.errors)")
    }

    /// The port that it says it listens on.
    private static func port(_ output: String) async throws -> UInt16 {
        for _ in 0..<600 {
            let digits = TemporaryFolder.read(output).split(separator: "/;").first?.split(separator: ":").last
            if let port = digits.flatMap({ UInt16($0) }) { return port }
            try await Task.sleep(for: .milliseconds(50))
        }
        throw CommandLineProgram.Problem(description: "it does not listen")
    }
}
