import Glibc
import Runtime
import Testing

@testable import Secrets

/// What is sealed opens with its key and for its purpose, and in no other way.
@Suite struct SealingTests {
    private static let context = "target/north\nhost=db.example user=watcher"
    private static let password = "p@ss w\u{f6}rd 'quoted' \\ and long enough for more than one block"

    private static func text(_ secret: SecretBytes) -> String {
        secret.withBytes { String(decoding: $0, as: UTF8.self) }
    }

    private static func key(_ byte: UInt8) -> SealingKey {
        SealingKey(bytes: SecretBytes([UInt8](repeating: byte, count: SealingKey.size)))
    }

    private static func kind(_ body: () throws(SecretFault) -> Void) -> SecretFault.Kind? {
        do throws(SecretFault) {
            try body()
            return nil
        } catch {
            return error.kind
        }
    }

    @Test("what is sealed opens again, with a new nonce each time", arguments: ["", "x", SealingTests.password])
    func roundTrip(secret: String) throws {
        let ring = KeyRing(try .generate())
        let first = try ring.seal(SecretBytes(Array(secret.utf8)), context: Self.context)
        let second = try ring.seal(SecretBytes(Array(secret.utf8)), context: Self.context)
        #expect(first != second)
        #expect(first.hasPrefix("pgvigil:v1:\(ring.keys[0].id):"))
        #expect(Self.text(try ring.open(first, context: Self.context)) == secret)
        #expect(Self.text(try ring.open(second, context: Self.context)) == secret)
    }

    @Test("the cipher gives what the standard's own example says")
    func standardExample() throws {
        let key = SecretBytes(try Self.bytes("feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308"))
        let nonce = try Self.bytes("cafebabefacedbaddecaf888")
        let plain = try Self.bytes(
            """
            d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72\
            1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39
            """)
        let context = try Self.bytes("feedfacedeadbeeffeedfacedeadbeefabaddad2")
        let sealed = plain.withUnsafeBytes { plain in
            nonce.withUnsafeBytes { Cipher()?.seal(plain, key: key, nonce: $0, context: context) }
        }
        let expected = try Self.bytes(
            """
            522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b1056828838\
            c5f61e6393ba7a0abcc9f66276fc6ece0f4e1768cddf8853bb2d551b
            """)
        #expect(sealed == expected)
    }

    @Test("an implementation that shares no code opens what we seal, and we what it seals")
    func otherImplementation() async throws {
        let ring = KeyRing(Self.key(0x5a))
        let hex = String(repeating: "5a", count: 32)
        let ours = try ring.seal(SecretBytes(Array(Self.password.utf8)), context: Self.context)
        #expect(try await Self.reference("open", hex, "", ours) == Self.password)
        let theirs = try await Self.reference("seal", hex, "000102030405060708090a0b", Self.password)
        #expect(Self.text(try ring.open(theirs, context: Self.context)) == Self.password)
    }

    @Test("another purpose, another key of the same name, and a key that we lack do not open it")
    func refusals() throws {
        let ring = KeyRing(Self.key(1))
        let sealed = try ring.seal(SecretBytes(Array("secret".utf8)), context: Self.context)
        #expect(
            Self.kind { () throws(SecretFault) in _ = try ring.open(sealed, context: "target/south") } == .notAuthentic)
        let other = KeyRing(Self.key(2))
        let kind = Self.kind { () throws(SecretFault) in _ = try other.open(sealed, context: Self.context) }
        #expect(kind == .unknownKey)
        let renamed = "pgvigil:v1:\(other.keys[0].id):" + (sealed.split(separator: ":").last ?? "")
        let forged = Self.kind { () throws(SecretFault) in _ = try other.open(renamed, context: Self.context) }
        #expect(forged == .notAuthentic)
    }

    @Test("every bit counts")
    func flippedBits() throws {
        let ring = KeyRing(Self.key(3))
        let sealed = try ring.seal(SecretBytes(Array("secret".utf8)), context: Self.context)
        let body = try #require(Base64.bytes(of: sealed.split(separator: ":")[3].utf8))
        let bytes = body.withBytes { [UInt8]($0) }
        for bit in 0..<bytes.count * 8 {
            var changed = bytes
            changed[bit / 8] ^= 1 << UInt8(bit % 8)
            let text = "pgvigil:v1:\(ring.keys[0].id):" + changed.withUnsafeBytes { Base64.text(of: $0) }
            let kind = Self.kind { () throws(SecretFault) in _ = try ring.open(text, context: Self.context) }
            #expect(kind == .notAuthentic, "bit \(bit)")
        }
    }

    @Test("a text that was cut off anywhere is refused")
    func truncated() throws {
        let ring = KeyRing(Self.key(4))
        let sealed = try ring.seal(SecretBytes(Array("secret".utf8)), context: Self.context)
        for count in 0..<sealed.count {
            let text = String(sealed.prefix(count))
            let kind = Self.kind { () throws(SecretFault) in _ = try ring.open(text, context: Self.context) }
            #expect(kind == .malformedSecret || kind == .notAuthentic, "the first \(count) characters")
        }
        for text in ["hunter2", "pgvigil:v2:00000000:AAAA", sealed + "\n", sealed + ":", " " + sealed] {
            let kind = Self.kind { () throws(SecretFault) in _ = try ring.open(text, context: Self.context) }
            #expect(kind == .malformedSecret, "\(text)")
        }
    }

    @Test("after a change of keys the old one still opens, and the new one seals")
    func rotation() throws {
        let (old, new) = (Self.key(5), Self.key(6))
        let sealed = try KeyRing(old).seal(SecretBytes(Array("secret".utf8)), context: Self.context)
        let ring = KeyRing(new, old)
        let secret = try ring.open(sealed, context: Self.context)
        #expect(!ring.isNewest(sealed))
        let again = try ring.seal(secret, context: Self.context)
        #expect(ring.isNewest(again))
        #expect(Self.text(try KeyRing(new).open(again, context: Self.context)) == "secret")
    }

    @Test("secret bytes show nothing of themselves")
    func hidden() {
        let secret = SecretBytes(Array("hunter2".utf8))
        var dumped = ""
        dump(secret, to: &dumped)
        #expect(!"\(secret) \(String(reflecting: secret)) \(dumped)".contains("hunter2"))
        let key = SealingKey(bytes: SecretBytes([UInt8](repeating: 7, count: 32)))
        var dumpedKey = ""
        dump(KeyRing(key), to: &dumpedKey)
        #expect(!dumpedKey.contains(key.text))
    }

    private static func bytes(_ hex: String) throws -> [UInt8] {
        let digits = Array(hex)
        return try stride(from: 0, to: digits.count, by: 2).map {
            try #require(UInt8(String(digits[$0...$0 + 1]), radix: 16))
        }
    }

    private static func reference(_ verb: String, _ key: String, _ nonce: String, _ text: String) async throws -> String
    {
        let folder = #filePath.split(separator: "/").dropLast(2).joined(separator: "/")
        let report = try await ChildProcess.run(
            ["/usr/bin/python3", "/\(folder)/reference/sealing.py", verb, key, nonce, text, context],
            environment: ["PYTHONUTF8": "1"])
        #expect(report.isSuccess, "\(report.output)")
        return String(report.output.dropLast())
    }
}
