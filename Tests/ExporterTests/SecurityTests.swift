import EmbeddedPostgres
import Glibc
import Postgres
import Runtime
import TestSupport
import Testing

@testable import Exporter

/// Who is let in, and that nothing is sent in the clear when it is not to be.
@Suite struct SecurityTests {
    /// A text of the form of a bcrypt hash.
    private static let bcrypt = "$2b$04$abcdefghijklmnopqrstuuTFsr4VU9bH6a1u.RUlZpr4n/Q1yOVzO"

    private static func basic(_ pair: String) -> String {
        "Basic " + Self.base64(Array(pair.utf8))
    }

    private static func base64(_ bytes: [UInt8]) -> String {
        let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")
        var text = ""
        for start in stride(from: 0, to: bytes.count, by: 3) {
            let part = bytes[start..<min(start + 3, bytes.count)]
            let value = part.reduce(0) { $0 << 8 | Int($1) } << (8 * (3 - part.count))
            for index in 0...part.count { text.append(alphabet[value >> (18 - 6 * index) & 63]) }
            text += String(repeating: "=", count: 3 - part.count)
        }
        return text
    }

    /// A hash of the password by the system's own crypt.
    private static func hash(_ password: String) async throws -> String {
        let program =
            "import crypt, os; print(crypt.crypt(os.environ['P'], crypt.mksalt(crypt.METHOD_BLOWFISH, rounds=16)))"
        let report = try await ChildProcess.run(
            ["/usr/bin/python3", "-W", "ignore", "-c", program], environment: ["P": password])
        return String(report.output.prefix { !$0.isNewline })
    }

    @Test func tokensAndPasswordsLetInAndNothingElseDoes() async throws {
        let gate = Gatekeeper(
            tokens: [Array("0123456789abcdef".utf8), Array("fedcba9876543210".utf8)],
            hashes: ["prometheus": try await Self.hash("s:cret")], guardsProbes: false)
        #expect(gate.verdict(authorization: "Bearer 0123456789abcdef") == .admitted)
        #expect(gate.verdict(authorization: "bearer fedcba9876543210") == .admitted, "two tokens, for a rotation")
        #expect(gate.verdict(authorization: Self.basic("prometheus:s:cret")) == .admitted)
        #expect(gate.verdict(authorization: Self.basic("prometheus:s:cret")) == .admitted, "and again, known by now")
        let refused = [
            nil, "", "Bearer", "Bearer ", "Bearer 0123456789abcde", "Bearer 0123456789abcdef0",
            "Digest 0123456789abcdef",
            "0123456789abcdef", "Basic", "Basic ?", "Basic " + Self.base64([0]), Self.basic("prometheus"),
            Self.basic("prometheus:"), Self.basic("prometheus:wrong"), Self.basic("nobody:s:cret"),
            Self.basic(":s:cret"),
            Self.basic("prometheus:s:cret\u{0}x"), Self.basic("0123456789abcdef:"),
        ]
        for header in refused { #expect(gate.verdict(authorization: header) == .refused, "\(header ?? "none")") }
        #expect(gate.challenges.map { $0.prefix(6) } == ["Bearer", "Basic "])
    }

    @Test(arguments: [
        ("user:plain", "none of bcrypt"), ("user:$6$rounds=5000$abcdefgh$x", "none of bcrypt"),
        ("user", "is not USER:HASH"),
        (":\(SecurityTests.bcrypt)", "is not USER:HASH"),
        ("a:\(SecurityTests.bcrypt)\na:\(SecurityTests.bcrypt)", ":2: this user has a line already"),
        ("# nobody\n\n", "names no user"),
    ])
    func aFileOfUsersWithAFaultIsRefusedWithoutItsSecrets(text: String, message: String) throws {
        let fault = #expect(throws: SecurityFault.self) { try PasswordFile.hashes(Array(text.utf8), path: "users") }
        #expect(fault?.message.contains(message) == true, "\(String(describing: fault))")
        #expect(fault?.message.contains("$") == false)
    }

    @Test func filesThatCannotProtectAreRefused() throws {
        let folder = try ScratchFolder()
        var security = ServerSecurity()
        security.bearerTokenPath = try folder.write("short\n", "tokens")
        #expect(throws: SecurityFault.self) { try security.check() }
        security.bearerTokenPath = folder.path + "/missing"
        #expect(throws: SecurityFault.self) { try security.check() }
        security.bearerTokenPath = folder.path
        #expect(throws: SecurityFault.self) { try security.check() }
        security.bearerTokenPath = try folder.write("# two\n0123456789abcdef\n fedcba9876543210 \r\n", "tokens")
        let loaded = try security.load()
        #expect(loaded.gate?.verdict(authorization: "Bearer fedcba9876543210") == .admitted)
        #expect(loaded.exposed == [folder.path + "/tokens"], "everybody may read it")
        chmod(folder.path + "/tokens", 0o600)
        #expect(try security.load().exposed == [])
    }

    // MARK: The whole exporter

    /// Runs `body` with an exporter whose database is not there: what is answered first is who asks.
    private func withExporter(
        _ security: ServerSecurity, host: String = "127.0.0.1",
        _ body: @escaping @Sendable (Exporter, Lock<[String]>) async throws -> Void
    ) async throws {
        var configuration = ExporterConfiguration(
            host: host, port: 0,
            database: PostgresConfiguration(
                conninfo: "host=/nowhere", applicationName: "none", connectTimeout: .seconds(1)),
            version: "1", schemaVersion: "0001")
        configuration.security = security
        let lines = Lock([String]())
        let log = Log { line in lines.withLock { $0.append(String(decoding: line, as: UTF8.self)) } }
        let shutdown = GracefulShutdown()
        let exporter = try Exporter(configuration, shutdown: shutdown, log: log)
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await exporter.run() }
            group.addTask {
                defer { shutdown.request() }
                try await body(exporter, lines)
            }
            try await group.waitForAll()
        }
    }

    @Test func everyPathButTheProbesAsksForTheToken() async throws {
        let folder = try ScratchFolder()
        var security = ServerSecurity()
        security.bearerTokenPath = try folder.write("0123456789abcdef\n", "tokens", mode: 0o600)
        try await withExporter(security) { exporter, lines in
            for path in ["/", "/metrics", "/metrics/service", "/nothing", "/healthz%00", "/metrics/../healthz"] {
                let reply = try await HTTPTestClient.get(path, port: exporter.port)
                #expect(reply.status == 401 && reply.text == "authentication is needed here\n", "\(path)")
                #expect(reply.headers["www-authenticate"] == "Bearer realm=\"pgvigil\"")
            }
            #expect(try await HTTPTestClient.get("/healthz", port: exporter.port).status == 200)
            #expect(try await HTTPTestClient.get("/readyz", port: exporter.port).status == 503)
            let admitted = try await HTTPTestClient.get(
                "/metrics/service", port: exporter.port, headers: ["Authorization: Bearer 0123456789abcdef"])
            #expect(admitted.status == 200)
            #expect(!lines.withLock { $0 }.joined().contains("0123456789abcdef"))
        }
        security.guardsProbes = true
        try await withExporter(security) { exporter, _ in
            let reply = try await HTTPTestClient.get("/healthz", port: exporter.port)
            #expect(reply.status == 401)
        }
    }

    @Test func aListenerBeyondThisMachineIsWarnedOf() async throws {
        try await withExporter(ServerSecurity(), host: "0.0.0.0") { exporter, lines in
            _ = try await HTTPTestClient.get("/healthz", port: exporter.port)
            let warning = lines.withLock { $0 }.first { $0.contains("exporter is open to the network") }
            #expect(warning?.contains("\"lacks\":\"encryption, authentication\"") == true)
        }
        try await withExporter(ServerSecurity()) { exporter, lines in
            _ = try await HTTPTestClient.get("/healthz", port: exporter.port)
            #expect(!lines.withLock { $0 }.contains { $0.contains("warning") })
        }
    }

    @Test func certificatesAreServedReloadedAndKeptWhenTheNewOneIsBroken() async throws {
        let folder = try ScratchFolder()
        var security = ServerSecurity()
        security.certificatePath = folder.path + "/tls.crt"
        security.keyPath = folder.path + "/tls.key"
        try await folder.makeCertificate("first")
        try await withExporter(security) { exporter, lines in
            #expect(try await Self.subject(exporter.port) == "first")
            #expect(try await Self.subject(exporter.port, newest: "TLSv1_2") == "first")
            #expect(try await Self.subject(exporter.port, newest: "TLSv1_1") == "none", "TLS 1.1 is refused")
            #expect(throws: (any Error).self, "without encryption there is no answer") {
                try HTTPTestConnection(port: exporter.port).request("GET", "/healthz")
            }
            try await folder.makeCertificate("second")
            await Self.reload(exporter)
            #expect(try await Self.subject(exporter.port) == "second")
            for broken in ["no key", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"] {
                _ = try folder.write(broken, "tls.key", mode: 0o600)
                await Self.reload(exporter)
            }
            try await folder.makeCertificate("third", keyOnly: true)
            await Self.reload(exporter)
            #expect(try await Self.subject(exporter.port) == "second")
            let log = lines.withLock { $0 }
            #expect(log.contains { $0.contains("exporter keeps its certificate and passwords") })
        }
    }

    private static func reload(_ exporter: Exporter) async {
        await withCheckedContinuation { continuation in exporter.reload { continuation.resume() } }
    }

    /// The common name of the certificate that a client is shown, `none` when there is no handshake.
    private static func subject(_ port: UInt16, newest: String = "TLSv1_3") async throws -> String {
        let program = """
            import os, socket, ssl
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
            context.minimum_version = ssl.TLSVersion.TLSv1_1
            context.maximum_version = getattr(ssl.TLSVersion, os.environ["NEWEST"])
            context.set_ciphers("DEFAULT@SECLEVEL=0")
            try:
                with socket.create_connection(("127.0.0.1", int(os.environ["PORT"])), timeout=20) as plain:
                    with context.wrap_socket(plain) as secure:
                        secure.sendall(b"GET /healthz HTTP/1.1\\r\\nHost: x\\r\\nConnection: close\\r\\n\\r\\n")
                        answer = secure.recv(4096)
                        while b"ok" not in answer: answer += secure.recv(4096)
                        der = secure.getpeercert(binary_form=True)
                print(next(name for name in ("first", "second") if name.encode() in der))
            except ssl.SSLError:
                print("none")
            """
        let report = try await ChildProcess.run(
            ["/usr/bin/python3", "-W", "ignore", "-c", program],
            environment: ["PORT": String(port), "NEWEST": newest])
        return String(report.output.drop { $0.isNewline }.prefix { !$0.isNewline })
    }
}

/// A folder that goes when it is let go of.
private final class ScratchFolder: Sendable {
    let path: String

    init() throws {
        var template = Array("/tmp/pgvigil-tls-XXXXXX".utf8CString)
        path = try #require(mkdtemp(&template).map { String(cString: $0) })
    }

    deinit { _ = try? ChildProcess(["/bin/rm", "-rf", path], environment: [:]) }

    /// Writes a file whole and returns its path.
    func write(_ text: String, _ name: String, mode: mode_t = 0o644) throws -> String {
        let file = try #require(fopen("\(path)/\(name)", "we"))
        fputs(text, file)
        fclose(file)
        chmod("\(path)/\(name)", mode)
        return "\(path)/\(name)"
    }

    /// Makes tls.crt and tls.key for a name.
    func makeCertificate(_ name: String, keyOnly: Bool = false) async throws {
        let report = try await ChildProcess.run(
            [
                "openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=\(name)",
                "-keyout", "\(path)/tls.key", "-out", "\(path)/\(keyOnly ? "other" : "tls").crt",
            ], environment: ProcessEnvironment.variables())
        try #require(report.isSuccess, "\(report.output)")
    }
}
