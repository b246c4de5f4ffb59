import Testing

@testable import Configuration

@Suite("settings")
struct SettingsTests {
    static let listen = Setting.listenAddress("listen", default: ListenAddress(host: "127.0.0.1", port: 9877))
    static let drain = Setting.duration("drain-limit", default: .seconds(30), in: .seconds(1)...(.seconds(600)))

    private func settings(_ options: [String: String], _ environment: [String: String]) -> Settings {
        Settings(option: { options[$0] }, environment: { environment[$0] })
    }

    @Test("an option wins over the environment, and the environment over the default")
    func ordersSources() throws {
        var nothing = settings([:], [:])
        let byDefault = nothing.value(Self.drain)
        #expect(byDefault == .seconds(30))
        var variable = settings([:], ["PGVIGIL_DRAIN_LIMIT": "1m"])
        let fromVariable = variable.value(Self.drain)
        #expect(fromVariable == .seconds(60))
        var both = settings(["drain-limit": "2m"], ["PGVIGIL_DRAIN_LIMIT": "1m"])
        let fromOption = both.value(Self.drain)
        #expect(fromOption == .seconds(120))
        var empty = settings([:], ["PGVIGIL_DRAIN_LIMIT": ""])
        let fromEmpty = empty.value(Self.drain)
        #expect(fromEmpty == .seconds(30))
        try empty.validate()
    }

    @Test("every kind of setting is read")
    func readsKinds() throws {
        var given = settings(
            ["listen": "[::1]:80", "sessions": "8", "body": "64kB", "once": "on", "jobs": "a.yml"], [:])
        let listen = given.value(Self.listen)
        #expect(listen == ListenAddress(host: "::1", port: 80))
        let sessions = given.value(.integer("sessions", default: 4, in: 1...64))
        #expect(sessions == 8)
        let body = given.value(.byteCount("body", default: ByteCount(bytes: 0)))
        #expect(body == ByteCount(bytes: 65_536))
        let flags = [given.value(.flag("once")), given.value(.flag("never"))]
        #expect(flags == [true, false])
        let texts = [given.value(.text("jobs")), given.value(.text("none"))]
        #expect(texts == ["a.yml", nil])
        try given.validate()
    }

    @Test("every wrong setting is told at once, with where it was said; a secret one is not quoted")
    func tellsAllFaults() {
        var given = settings(
            ["listen": "nowhere", "token": "hunter2\u{1}"],
            ["PGVIGIL_DRAIN_LIMIT": "2h", "PGVIGIL_SESSIONS": "many", "PGVIGIL_BODY": "64", "PGVIGIL_ONCE": "perhaps"])
        _ = given.value(Self.listen)
        _ = given.value(Self.drain)
        _ = given.value(.integer("sessions", default: 4, in: 1...64))
        _ = given.value(.byteCount("body", default: ByteCount(bytes: 0)))
        _ = given.value(.flag("once"))
        _ = given.value(.text("token", isSecret: true))
        let error = #expect(throws: ConfigurationError.self) { try given.validate() }
        #expect(
            error?.faults.map(\.description) == [
                "--listen: expected HOST:PORT like 127.0.0.1:9877 or [::1]:9877, found \"nowhere\"",
                "PGVIGIL_DRAIN_LIMIT: expected a duration like 30s, from 1s to 10m, found \"2h\"",
                "PGVIGIL_SESSIONS: expected a whole number from 1 to 64, found \"many\"",
                "PGVIGIL_BODY: expected a size like 64kB, 16MB or 1GB, found \"64\"",
                "PGVIGIL_ONCE: expected true or false, found \"perhaps\"",
                "--token: expected text without control characters",
            ])
    }

    @Test("a variable of ours that no setting reads is remarked on")
    func remarksUnknownVariables() {
        let known = ["PGVIGIL_LISTEN", "PGVIGIL_JOBS"]
        let remarks = Settings.unknownVariables(
            in: ["PATH", "PGVIGIL_LISTN", "PGVIGIL_JOBS", "PGVIGIL_COLOUR"], known: known)
        #expect(
            remarks.map(\.description) == [
                "PGVIGIL_COLOUR: unknown setting",
                "PGVIGIL_LISTN: unknown setting, did you mean \"PGVIGIL_LISTEN\"?",
            ])
    }
}
