package import Runtime

/// The keys of this process: the first one seals, each one opens, so that keys can be changed one after the other.
package struct KeyRing: Sendable {
    /// The keys in their order.
    package let keys: [SealingKey]

    /// Every sealed text begins so.
    static let prefix = "pgvigil:v1:"

    /// A ring of at least one key.
    package init(_ first: SealingKey, _ others: SealingKey...) { keys = [first] + others }

    /// Reads keys, one after the other with blanks, commas or line ends between them; `#` begins a remark.
    ///
    /// - Throws: kinds malformedKey, noKey; `place` says where the text stood.
    init(text: UnsafeRawBufferPointer, place: String) throws(SecretFault) {
        var keys: [SealingKey] = []
        for line in text.split(separator: 10) {
            let words = line.prefix { $0 != 35 }.split { [32, 9, 13, 44].contains($0) }
            for word in words {
                guard let key = SealingKey(text: word) else {
                    throw SecretFault(
                        .malformedKey, "\(place) holds something that is no key: a key is base64 of 32 bytes",
                        remedy: "make one with: pgvigil key new")
                }
                keys.append(key)
            }
        }
        guard !keys.isEmpty else {
            throw SecretFault(.noKey, "\(place) holds no key", remedy: "make one with: pgvigil key new")
        }
        self.keys = keys
    }

    /// Seals a secret for one purpose: it opens under the same `context` only.
    ///
    /// - Throws: kind noRandomness.
    package func seal(_ secret: SecretBytes, context: String) throws(SecretFault) -> String {
        let key = keys[0]
        let nonce = try SealingKey.randomBytes(Cipher.nonceSize)
        let sealed = nonce.withBytes { nonce in
            secret.withBytes { plain in
                Cipher()?.seal(plain, key: key.bytes, nonce: nonce, context: Array(context.utf8)).map { nonce + $0 }
            }
        }
        guard let sealed else {
            throw SecretFault(.noRandomness, "libcrypto refused to seal", remedy: "see that it offers AES-256-GCM")
        }
        return Self.prefix + key.id + ":" + sealed.withUnsafeBytes { Base64.text(of: $0) }
    }

    /// Opens what was sealed for this purpose.
    ///
    /// - Throws: kinds malformedSecret, unknownKey, notAuthentic.
    package func open(_ text: String, context: String) throws(SecretFault) -> SecretBytes {
        let (id, body) = try Self.parts(of: text)
        guard let key = keys.first(where: { $0.id == id }) else {
            throw SecretFault(
                .unknownKey, "the secret was sealed with key \(id), which is not among the keys given",
                remedy: "give that key too, or seal the secret again with: pgvigil targets rotate")
        }
        let secret = body.withBytes { bytes in
            Cipher()?.open(
                UnsafeRawBufferPointer(rebasing: bytes.dropFirst(Cipher.nonceSize)), key: key.bytes,
                nonce: UnsafeRawBufferPointer(rebasing: bytes.prefix(Cipher.nonceSize)), context: Array(context.utf8))
        }
        guard let secret else {
            throw SecretFault(
                .notAuthentic, "the secret was changed, or sealed for something else",
                remedy: "seal it again with: pgvigil targets rotate")
        }
        return secret
    }

    /// Whether the text was sealed with the key that seals now.
    package func isNewest(_ text: String) -> Bool { text.hasPrefix(Self.prefix + keys[0].id + ":") }

    private static func parts(of text: String) throws(SecretFault) -> (id: String, body: SecretBytes) {
        let fields = text.split(separator: ":", omittingEmptySubsequences: false)
        guard text.hasPrefix(prefix), fields.count == 4, fields[2].utf8.count == 8,
            let body = Base64.bytes(of: fields[3].utf8), body.count >= Cipher.nonceSize + Cipher.tagSize
        else {
            throw SecretFault(
                .malformedSecret, "what should be a sealed secret is none, or is cut off",
                remedy: "seal the secret again with: pgvigil targets rotate")
        }
        return (String(fields[2]), body)
    }
}
