import CCrypto
import Runtime

/// The headers that let a receiver check a webhook, by the Standard Webhooks specification 1.0.0.
///
/// Signed are the bytes `id.timestamp.body` with HMAC-SHA256; each key gives one entry `v1,` and its base64, so that a
/// receiver accepts both the new and the old key while a secret is rotated.
package struct WebhookSignature: Sendable {
    /// A signing key.
    package struct Key: Sendable {
        let bytes: SecretBytes

        /// Reads a secret as it is shown to people: `whsec_` and base64 of 24 to 64 bytes; nil when it is none.
        package init?(_ text: some Collection<UInt8>) {
            let prefix = Array("whsec_".utf8)
            guard text.starts(with: prefix), let bytes = Self.decode(Array(text.dropFirst(prefix.count))),
                (24...64).contains(bytes.count)
            else { return nil }
            self.bytes = bytes
        }

        /// EVP's own decoder, which takes one form only when the count of digits is a multiple of four.
        private static func decode(_ digits: [UInt8]) -> SecretBytes? {
            guard digits.count.isMultiple(of: 4), !digits.isEmpty else { return nil }
            let padding = digits.suffix(2).reversed().prefix { $0 == 61 }.count
            var plain = [UInt8](repeating: 0, count: digits.count / 4 * 3)
            defer { plain.withUnsafeMutableBytes { SecretBytes.wipe($0) } }
            guard EVP_DecodeBlock(&plain, digits, Int32(digits.count)) == Int32(plain.count) else { return nil }
            return SecretBytes(plain.dropLast(padding))
        }
    }

    /// The headers for one attempt: id, the attempt's time in seconds since 1970, and one signature for each key.
    ///
    /// The id must not hold a full stop, which separates what is signed.
    package static func headers(
        id: String, timestamp: Int64, body: [UInt8], keys: [Key]
    ) -> [(name: String, value: String)] {
        let signed = Array("\(id).\(timestamp).".utf8) + body
        let entries = keys.map { "v1," + base64(hmac(signed, $0)) }
        return [
            ("webhook-id", id), ("webhook-timestamp", String(timestamp)),
            ("webhook-signature", entries.joined(separator: " ")),
        ]
    }

    /// Whether the headers of a message are signed by one of the keys, at most five minutes ago or ahead.
    package static func isValid(
        id: String, timestamp: String, signature: String, body: [UInt8], keys: [Key], now: Int64
    ) -> Bool {
        guard let seconds = Int64(timestamp), abs(now - seconds) <= 300, !id.isEmpty, !id.contains(".") else {
            return false
        }
        let signed = Array("\(id).\(timestamp).".utf8) + body
        let entries = signature.split(separator: " ").filter { $0.hasPrefix("v1,") }.map { Array($0.utf8.dropFirst(3)) }
        return keys.contains { key in
            let expected = Array(base64(hmac(signed, key)).utf8)
            // Without a hint by the time it takes at which byte they differ.
            return entries.contains { entry in
                entry.count == expected.count && zip(entry, expected).reduce(0) { $0 | ($1.0 ^ $1.1) } == 0
            }
        }
    }

    private static func hmac(_ message: [UInt8], _ key: Key) -> [UInt8] {
        var digest = [UInt8](repeating: 0, count: 32)
        var count: UInt32 = 32
        key.bytes.withBytes { key in
            _ = HMAC(EVP_sha256(), key.baseAddress, Int32(key.count), message, message.count, &digest, &count)
        }
        return digest
    }

    static func base64(_ bytes: [UInt8]) -> String {
        var text = [UInt8](repeating: 0, count: (bytes.count + 2) / 3 * 4 + 1)
        let count = EVP_EncodeBlock(&text, bytes, Int32(bytes.count))
        return String(decoding: text.prefix(Int(count)), as: UTF8.self)
    }
}
