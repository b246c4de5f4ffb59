import CCrypto

/// A SHA-256 of bytes as they come.
final class Digest {
    private let context = EVP_MD_CTX_new()
    /// How many bytes came.
    private(set) var count = 0

    init() { EVP_DigestInit_ex(context, EVP_sha256(), nil) }

    deinit { EVP_MD_CTX_free(context) }

    func add(_ bytes: UnsafeRawBufferPointer) {
        count += bytes.count
        EVP_DigestUpdate(context, bytes.baseAddress, bytes.count)
    }

    /// 64 hex digits; nothing can be added afterwards.
    func finish() -> String {
        var digest = [UInt8](repeating: 0, count: 32)
        EVP_DigestFinal_ex(context, &digest, nil)
        return Self.hex(digest)
    }

    /// The digest of bytes that are all there.
    static func hex(of bytes: [UInt8]) -> String {
        let digest = Digest()
        bytes.withUnsafeBytes { digest.add($0) }
        return digest.finish()
    }

    /// Lower-case hex digits.
    static func hex(_ bytes: [UInt8]) -> String {
        let digits = Array("0123456789abcdef".utf8)
        return String(decoding: bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }, as: UTF8.self)
    }
}
