import CCrypto
import Runtime

/// A key of 32 bytes that seals and opens secrets.
package struct SealingKey: Sendable {
    /// The first 8 hex digits of the key's SHA-256: names the key in what it sealed, and gives nothing of it away.
    package let id: String
    let bytes: SecretBytes

    /// The number of bytes of a key.
    package static let size = 32

    init(bytes: SecretBytes) {
        self.bytes = bytes
        var digest = [UInt8](repeating: 0, count: Int(SHA256_DIGEST_LENGTH))
        bytes.withBytes { key in _ = SHA256(key.baseAddress, key.count, &digest) }
        id = digest.prefix(4).map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    }

    /// Reads a key's text, base64 of 32 bytes.
    init?(text: some Collection<UInt8>) {
        guard let bytes = Base64.bytes(of: text), bytes.count == Self.size else { return nil }
        self.init(bytes: bytes)
    }

    /// A new key.
    ///
    /// - Throws: kind noRandomness.
    package static func generate() throws(SecretFault) -> SealingKey {
        SealingKey(bytes: try randomBytes(size))
    }

    /// The text of the key, for the one file that is to hold it.
    package var text: String { bytes.withBytes { Base64.text(of: $0) } }

    static func randomBytes(_ count: Int) throws(SecretFault) -> SecretBytes {
        try SecretBytes(capacity: count) { (buffer) throws(SecretFault) in
            guard RAND_bytes(buffer.bindMemory(to: UInt8.self).baseAddress, Int32(count)) == 1 else {
                throw SecretFault(
                    .noRandomness, "the machine gives no random bytes", remedy: "see that /dev/urandom is there")
            }
            return count
        }
    }
}
