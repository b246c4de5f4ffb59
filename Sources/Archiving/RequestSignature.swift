import CCrypto
import Runtime

/// Signs requests to S3 and what speaks like it: AWS Signature Version 4, with the digest of the body.
struct RequestSignature {
    /// Who signs.
    let credentials: BucketCredentials
    /// Such as us-east-1.
    let region: String

    /// A request as it is signed: names of headers in lower case, path and query not escaped yet.
    struct Request {
        var method: String
        var path: String
        var query: [(name: String, value: String)] = []
        var headers: [(name: String, value: String)]
        var bodySHA256: String
    }

    /// All headers of the request, signed ones and the signature; `time` is like 20130524T000000Z.
    func headers(of request: Request, time: String) -> [(name: String, value: String)] {
        var headers = request.headers
        headers += [("x-amz-content-sha256", request.bodySHA256), ("x-amz-date", time)]
        if let token = credentials.sessionToken { headers.append(("x-amz-security-token", token)) }
        headers.sort { $0.name < $1.name }
        let names = headers.map(\.name).joined(separator: ";")
        let scope = "\(time.prefix(8))/\(region)/s3/aws4_request"
        let toSign = [
            "AWS4-HMAC-SHA256", time, scope, Digest.hex(of: Array(canonical(request, headers, names).utf8)),
        ].joined(separator: "\n")
        let signature = Digest.hex(Self.hmac(signingKey(time), toSign))
        headers.append(
            (
                "authorization",
                "AWS4-HMAC-SHA256 Credential=\(credentials.accessKey)/\(scope),SignedHeaders=\(names),"
                    + "Signature=\(signature)"
            ))
        return headers
    }

    private func canonical(
        _ request: Request, _ headers: [(name: String, value: String)], _ names: String
    ) -> String {
        [
            request.method, Self.escaped(request.path, keeps: "/"),
            Self.canonical(request.query),
            headers.map { "\($0.name):\($0.value)\n" }.joined(), names, request.bodySHA256,
        ].joined(separator: "\n")
    }

    /// A query as it is signed, and as it may be sent.
    static func canonical(_ query: [(name: String, value: String)]) -> String {
        query.map { (escaped($0.name), escaped($0.value)) }.sorted { $0 < $1 }.map { "\($0)=\($1)" }
            .joined(separator: "&")
    }

    private func signingKey(_ time: String) -> [UInt8] {
        var key = credentials.secretKey.withBytes { secret in
            Self.hmac(Array("AWS4".utf8) + Array(secret), String(time.prefix(8)))
        }
        for word in [region, "s3", "aws4_request"] { key = Self.hmac(key, word) }
        return key
    }

    private static func hmac(_ key: [UInt8], _ text: String) -> [UInt8] {
        var digest = [UInt8](repeating: 0, count: 32)
        var count: UInt32 = 32
        let message = Array(text.utf8)
        _ = HMAC(EVP_sha256(), key, Int32(key.count), message, message.count, &digest, &count)
        return digest
    }

    /// Every byte but letters, digits, `-._~` and what is to be kept as %XX.
    static func escaped(_ text: String, keeps kept: Character? = nil) -> String {
        let digits = Array("0123456789ABCDEF")
        return text.utf8.map { byte in
            let character = Character(UnicodeScalar(byte))
            if byte < 128, character.isLetter || character.isNumber || "-._~".contains(character) || character == kept {
                return String(character)
            }
            return "%\(digits[Int(byte >> 4)])\(digits[Int(byte & 15)])"
        }.joined()
    }
}
