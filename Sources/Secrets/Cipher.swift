import CCrypto
import Runtime

/// AES-256-GCM of libcrypto: what it opens was sealed with this key, this nonce and this context, and unchanged.
struct Cipher: ~Copyable {
    static let nonceSize = 12
    static let tagSize = 16

    private let state: OpaquePointer

    init?() {
        guard let state = EVP_CIPHER_CTX_new() else { return nil }
        self.state = state
    }

    /// Cleanses the key schedule too.
    deinit { EVP_CIPHER_CTX_free(state) }

    /// Encrypts `plain` into ciphertext and tag.
    borrowing func seal(
        _ plain: UnsafeRawBufferPointer, key: SecretBytes, nonce: UnsafeRawBufferPointer, context: [UInt8]
    ) -> [UInt8]? {
        var out = [UInt8](repeating: 0, count: plain.count + Self.tagSize)
        let isDone = out.withUnsafeMutableBytes { buffer in
            start(key, nonce, context, encrypting: 1) && update(plain, buffer) && finish()
                && EVP_CIPHER_CTX_ctrl(
                    state, EVP_CTRL_AEAD_GET_TAG, Int32(Self.tagSize), buffer.baseAddress.map { $0 + plain.count }) == 1
        }
        return isDone ? out : nil
    }

    /// Decrypts ciphertext and tag; nil when they are not authentic.
    borrowing func open(
        _ sealed: UnsafeRawBufferPointer, key: SecretBytes, nonce: UnsafeRawBufferPointer, context: [UInt8]
    ) -> SecretBytes? {
        guard sealed.count >= Self.tagSize else { return nil }
        let body = UnsafeRawBufferPointer(rebasing: sealed.dropLast(Self.tagSize))
        var tag = [UInt8](sealed.suffix(Self.tagSize))
        var isAuthentic = false
        let plain = SecretBytes(capacity: body.count) { buffer in
            isAuthentic =
                start(key, nonce, context, encrypting: 0) && update(body, buffer)
                && EVP_CIPHER_CTX_ctrl(state, EVP_CTRL_AEAD_SET_TAG, Int32(Self.tagSize), &tag) == 1
                && finish()
            return body.count
        }
        return isAuthentic ? plain : nil
    }

    private borrowing func start(
        _ key: SecretBytes, _ nonce: UnsafeRawBufferPointer, _ context: [UInt8], encrypting: Int32
    ) -> Bool {
        guard key.count == SealingKey.size, nonce.count == Self.nonceSize else { return false }
        let isReady = key.withBytes { key in
            EVP_CipherInit_ex(
                state, EVP_aes_256_gcm(), nil, key.bindMemory(to: UInt8.self).baseAddress,
                nonce.bindMemory(to: UInt8.self).baseAddress, encrypting) == 1
        }
        var count: Int32 = 0
        return isReady && EVP_CipherUpdate(state, nil, &count, context, Int32(context.count)) == 1
    }

    private borrowing func update(_ source: UnsafeRawBufferPointer, _ target: UnsafeMutableRawBufferPointer) -> Bool {
        var count: Int32 = 0
        guard !source.isEmpty else { return true }
        return EVP_CipherUpdate(
            state, target.bindMemory(to: UInt8.self).baseAddress, &count,
            source.bindMemory(to: UInt8.self).baseAddress, Int32(source.count)) == 1 && count == source.count
    }

    /// GCM has nothing left to write, but checks the tag here.
    private borrowing func finish() -> Bool {
        var count: Int32 = 0
        var rest = [UInt8](repeating: 0, count: 16)
        return EVP_CipherFinal_ex(state, &rest, &count) == 1 && count == 0
    }
}
