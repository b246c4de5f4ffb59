import Glibc
import Runtime
import Testing

@testable import Secrets

/// Where keys come from, and which files are refused.
@Suite struct KeySourceTests {
    private static func withFolder(_ body: (String) throws -> Void) throws {
        var template = Array("/tmp/pgvigil-keys-XXXXXX".utf8CString)
        let folder = try #require(mkdtemp(&template).map { String(cString: $0) })
        defer { _ = try? ChildProcess(["/bin/rm", "-rf", folder], environment: [:]) }
        try body(folder)
    }

    private static func write(_ text: String, _ path: String, mode: mode_t = 0o600) throws {
        let file = try #require(fopen(path, "we"))
        fputs(text, file)
        fclose(file)
        chmod(path, mode)
    }

    private static func fault(_ source: KeySource) -> SecretFault? {
        do throws(SecretFault) {
            _ = try source.keys()
            return nil
        } catch {
            return error
        }
    }

    @Test("the file that was named comes first, then the environment's file, its key, and systemd's credential")
    func order() throws {
        try Self.withFolder { folder in
            let keys = try (0..<4).map { _ in try SealingKey.generate() }
            try Self.write(keys[0].text + "\n", "\(folder)/named")
            try Self.write(keys[1].text, "\(folder)/variable")
            try Self.write(keys[3].text, "\(folder)/pgvigil.key", mode: 0o440)
            var environment = [
                "PGVIGIL_KEY_FILE": "\(folder)/variable", "PGVIGIL_KEY": keys[2].text, "CREDENTIALS_DIRECTORY": folder,
            ]
            #expect(try KeySource(file: "\(folder)/named", environment: environment).keys().keys[0].id == keys[0].id)
            for (key, name) in zip(keys.dropFirst(), ["PGVIGIL_KEY_FILE", "PGVIGIL_KEY", "CREDENTIALS_DIRECTORY"]) {
                #expect(try KeySource(file: nil, environment: environment).keys().keys[0].id == key.id)
                environment[name] = nil
            }
            #expect(Self.fault(KeySource(file: nil, environment: environment))?.kind == .noKey)
            #expect(try KeySource(file: nil, environment: environment).keysIfPresent() == nil)
        }
    }

    @Test("a file holds one key or several, with remarks")
    func several() throws {
        try Self.withFolder { folder in
            let (new, old) = (try SealingKey.generate(), try SealingKey.generate())
            try Self.write("# new\n\(new.text) # since spring\n\n\(old.text)\r\n", "\(folder)/keys")
            let ring = try KeySource(file: "\(folder)/keys", environment: [:]).keys()
            #expect(ring.keys.map(\.id) == [new.id, old.id])
        }
    }

    @Test("a file that others may read is refused with the command that mends it", arguments: [0o640, 0o604, 0o660])
    func openToOthers(mode: Int) throws {
        try Self.withFolder { folder in
            let key = try SealingKey.generate()
            try Self.write(key.text, "\(folder)/keys", mode: mode_t(mode))
            let fault = try #require(Self.fault(KeySource(file: "\(folder)/keys", environment: [:])))
            #expect(fault.kind == .unfitKeyFile)
            #expect(fault.remedy == "run: chmod 600 \(folder)/keys")
            chmod("\(folder)/keys", 0o600)
            #expect(Self.fault(KeySource(file: "\(folder)/keys", environment: [:])) == nil)
        }
    }

    @Test("what is no key is refused without being repeated", arguments: ["hunter2", "AAAA", "", "# only a remark"])
    func noKey(text: String) throws {
        try Self.withFolder { folder in
            try Self.write(text, "\(folder)/keys")
            let fault = try #require(Self.fault(KeySource(file: "\(folder)/keys", environment: [:])))
            #expect(fault.kind == (text.hasPrefix("#") || text.isEmpty ? .noKey : .malformedKey))
            #expect(!fault.description.contains("hunter2"))
        }
    }

    @Test("a file that is not there, is a folder, or never ends is refused")
    func unreadable() throws {
        try Self.withFolder { folder in
            for path in ["\(folder)/none", folder] {
                #expect(Self.fault(KeySource(file: path, environment: [:]))?.kind == .unfitKeyFile, "\(path)")
            }
            try Self.write(String(repeating: "#", count: 70_000), "\(folder)/large")
            #expect(Self.fault(KeySource(file: "\(folder)/large", environment: [:]))?.kind == .malformedKey)
        }
    }

    @Test("base64 has one form for each value", arguments: 0..<40)
    func base64(count: Int) throws {
        let bytes = (0..<count).map { _ in UInt8.random(in: 0...255) }
        let text = bytes.withUnsafeBytes { Base64.text(of: $0) }
        if count > 0 {
            let read = try #require(Base64.bytes(of: text.utf8))
            #expect(read.withBytes { [UInt8]($0) } == bytes)
        }
        for wrong in [text + "=", text + "\n", " " + text, text.dropLast() + "*", "AB=="] {
            #expect(Base64.bytes(of: String(wrong).utf8) == nil || String(wrong) == text)
        }
    }
}
