import CCrypto
import CShims
import Runtime

/// Decides who is let in, by the Authorization header.
///
/// Secrets are compared as digests and in constant time; a password that was right once is known by its digest, under a
/// key of this object alone, so that a scrape does not pay for the slow hash again.
final class Gatekeeper: Sendable {
    /// What a request is told.
    enum Verdict: Sendable, Equatable {
        case admitted
        case refused
        /// Too many passwords are being tried at this moment.
        case busy
    }

    /// Whether `/healthz` and `/readyz` are guarded too.
    let guardsProbes: Bool
    private let tokens: [[UInt8]]
    private let hashes: [String: String]
    private let key: [UInt8]
    private let known = Lock(Set<[UInt8]>())
    private let attempts = Slots(4)

    /// `tokens` are those of the file, `hashes` by user.
    init(tokens: [[UInt8]], hashes: [String: String], guardsProbes: Bool) {
        var generator = SystemRandomNumberGenerator()
        key = (0..<32).map { _ in UInt8.random(in: .min ... .max, using: &generator) }
        self.tokens = tokens.map { [key] in Self.digest(key, $0) }
        self.hashes = hashes
        self.guardsProbes = guardsProbes
    }

    /// The values of WWW-Authenticate.
    var challenges: [String] {
        (tokens.isEmpty ? [] : ["Bearer realm=\"pgvigil\""])
            + (hashes.isEmpty ? [] : ["Basic realm=\"pgvigil\", charset=\"UTF-8\""])
    }

    /// Judges the header; takes as long as the slow hash does for a password that is not known yet.
    func verdict(authorization: String?) -> Verdict {
        guard let authorization else { return .refused }
        let parts = authorization.split(separator: " ", maxSplits: 1)
        guard parts.count == 2 else { return .refused }
        let value = Array(parts[1].utf8)
        switch parts[0].lowercased() {
        case "bearer": return isToken(value) ? .admitted : .refused
        case "basic": return Base64.decoded(value).map(password) ?? .refused
        default: return .refused
        }
    }

    /// Looks at every token, whichever fits.
    private func isToken(_ value: [UInt8]) -> Bool {
        let digest = Self.digest(key, value)
        return tokens.reduce(false) { found, token in Self.areEqual(token, digest) || found }
    }

    private func password(_ pair: [UInt8]) -> Verdict {
        guard !hashes.isEmpty, !pair.contains(0), let colon = pair.firstIndex(of: UInt8(ascii: ":")) else {
            return .refused
        }
        let digest = Self.digest(key, pair)
        if known.withLock({ $0.contains(digest) }) { return .admitted }
        guard let place = attempts.take() else { return .busy }
        defer { withExtendedLifetime(place) {} }
        let user = String(decoding: pair[..<colon], as: UTF8.self)
        // A user that does not exist costs the same time as one that does.
        guard let hash = hashes[user] ?? hashes.values.first else { return .refused }
        let isRight = pgvigil_password_matches(String(decoding: pair[(colon + 1)...], as: UTF8.self), hash) != 0
        guard isRight, hashes[user] != nil else { return .refused }
        known.withLock { _ = $0.insert(digest) }
        return .admitted
    }

    private static func digest(_ key: [UInt8], _ value: [UInt8]) -> [UInt8] {
        let bytes = key + value
        var digest = [UInt8](repeating: 0, count: Int(SHA256_DIGEST_LENGTH))
        SHA256(bytes, bytes.count, &digest)
        return digest
    }

    /// Looks at every byte, whatever it finds.
    private static func areEqual(_ left: [UInt8], _ right: [UInt8]) -> Bool {
        left.count == right.count && zip(left, right).reduce(UInt8(0)) { $0 | ($1.0 ^ $1.1) } == 0
    }
}

/// Base64 of RFC 4648, padded or not.
enum Base64 {
    /// The bytes; nil when the text is none.
    static func decoded(_ text: [UInt8]) -> [UInt8]? {
        var bytes: [UInt8] = []
        var (bits, count): (UInt32, Int) = (0, 0)
        for character in text.prefix(while: { $0 != UInt8(ascii: "=") }) {
            guard let value = value(character) else { return nil }
            bits = bits << 6 | UInt32(value)
            count += 6
            if count >= 8 {
                count -= 8
                bytes.append(UInt8(truncatingIfNeeded: bits >> UInt32(count)))
            }
        }
        return bytes
    }

    private static func value(_ character: UInt8) -> UInt8? {
        switch character {
        case UInt8(ascii: "A")...UInt8(ascii: "Z"): character - UInt8(ascii: "A")
        case UInt8(ascii: "a")...UInt8(ascii: "z"): character - UInt8(ascii: "a") + 26
        case UInt8(ascii: "0")...UInt8(ascii: "9"): character - UInt8(ascii: "0") + 52
        case UInt8(ascii: "+"): 62
        case UInt8(ascii: "/"): 63
        default: nil
        }
    }
}
