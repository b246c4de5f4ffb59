import CCrypto
import Glibc

/// The files that protect the exporter, read at the start and at each reload.
package struct ServerSecurity: Sendable {
    /// The certificate chain in PEM, the server's own first.
    package var certificatePath: String?
    /// The private key of the certificate in PEM, not encrypted.
    package var keyPath: String?
    /// One bearer token a line; each of them is accepted.
    package var bearerTokenPath: String?
    /// Lines `user:hash`; hashes of bcrypt, scrypt or yescrypt.
    package var basicAuthPath: String?
    /// Whether `/healthz` and `/readyz` ask for authentication too.
    package var guardsProbes = false

    /// Nothing is protected.
    package init() {}

    /// What a listener beyond this machine lacks.
    var lacks: [String] {
        (certificatePath == nil ? ["encryption"] : [])
            + (bearerTokenPath == nil && basicAuthPath == nil ? ["authentication"] : [])
    }

    /// Reads all files and keeps nothing: for whoever wants to know early.
    /// - Throws: `SecurityFault`.
    package func check() throws(SecurityFault) { _ = try load() }

    /// Reads all files.
    /// - Throws: `SecurityFault` that names the file, and the line, never what stands there.
    func load() throws(SecurityFault) -> LoadedSecurity {
        var loaded = LoadedSecurity()
        if let certificatePath, let keyPath {
            let identity = TLSIdentity(
                certificate: try SecretFile(certificatePath).bytes, key: try loaded.secret(keyPath))
            guard identity.isUsable else {
                throw SecurityFault(
                    "\(certificatePath) and \(keyPath) do not belong together, or one of them is no PEM",
                    remedy: "give the chain of certificates and its private key, without a passphrase")
            }
            loaded.identity = identity
        }
        var tokens: [[UInt8]] = []
        if let bearerTokenPath {
            tokens = SecretFile.lines(try loaded.secret(bearerTokenPath)).map(\.text)
            guard tokens.allSatisfy({ $0.count >= 16 }), !tokens.isEmpty else {
                throw SecurityFault(
                    "\(bearerTokenPath) holds no token, or one of fewer than 16 characters",
                    remedy: "write one token a line, made by: openssl rand -hex 32")
            }
        }
        var hashes: [String: String] = [:]
        if let basicAuthPath {
            hashes = try PasswordFile.hashes(try loaded.secret(basicAuthPath), path: basicAuthPath)
        }
        if bearerTokenPath != nil || basicAuthPath != nil {
            loaded.gate = Gatekeeper(tokens: tokens, hashes: hashes, guardsProbes: guardsProbes)
        }
        return loaded
    }
}

/// What the files of `ServerSecurity` hold.
struct LoadedSecurity: Sendable {
    var identity: TLSIdentity?
    var gate: Gatekeeper?
    /// Files with secrets that every user of the machine may read.
    var exposed: [String] = []

    /// Reads a file that only its owner and group should be able to read.
    fileprivate mutating func secret(_ path: String) throws(SecurityFault) -> [UInt8] {
        let file = try SecretFile(path)
        if file.isReadableByAll { exposed.append(path) }
        return file.bytes
    }
}

/// Why the exporter cannot be protected as asked.
package struct SecurityFault: Error, Sendable, CustomStringConvertible {
    /// One line, lower-case, without secrets.
    package let message: String
    /// What to do about it.
    package let remedy: String

    init(_ message: String, remedy: String) {
        self.message = message
        self.remedy = remedy
    }

    package var description: String { "\(message); \(remedy)" }
}

/// A certificate and its key.
struct TLSIdentity: Sendable, Equatable {
    let certificate: [UInt8]
    let key: [UInt8]

    /// Whether both are PEM and the key is the certificate's.
    var isUsable: Bool {
        defer { ERR_clear_error() }
        // Without the callbacks, a key with a passphrase would ask for it on the terminal.
        guard let certificate = Self.read(certificate, { PEM_read_bio_X509($0, nil, { _, _, _, _ in 0 }, nil) }) else {
            return false
        }
        defer { X509_free(certificate) }
        guard let key = Self.read(key, { PEM_read_bio_PrivateKey($0, nil, { _, _, _, _ in 0 }, nil) }) else {
            return false
        }
        defer { EVP_PKEY_free(key) }
        return X509_check_private_key(certificate, key) == 1
    }

    private static func read(_ bytes: [UInt8], _ body: (OpaquePointer) -> OpaquePointer?) -> OpaquePointer? {
        bytes.withUnsafeBytes { bytes in
            guard let bio = BIO_new_mem_buf(bytes.baseAddress, Int32(bytes.count)) else { return nil }
            defer { BIO_free(bio) }
            return body(bio)
        }
    }
}

/// A small file, read whole.
struct SecretFile {
    let bytes: [UInt8]
    let isReadableByAll: Bool

    /// - Throws: `SecurityFault` when it cannot be read, is no file, or is larger than 1 MiB.
    init(_ path: String) throws(SecurityFault) {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY)
        guard descriptor >= 0 else { throw Self.unreadable(path, String(cString: strerror(errno))) }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG, status.st_size <= 1 << 20 else {
            throw Self.unreadable(path, "it is no file, or is larger than 1 MiB")
        }
        isReadableByAll = status.st_mode & 0o004 != 0
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 16_384)
        while bytes.count <= 1 << 20 {
            let count = read(descriptor, &buffer, buffer.count)
            guard count >= 0 else { throw Self.unreadable(path, String(cString: strerror(errno))) }
            if count == 0 { break }
            bytes += buffer[..<count]
        }
        self.bytes = bytes
    }

    /// Lines that are neither empty nor comments, without blanks around them, with their numbers from 1.
    static func lines(_ bytes: [UInt8]) -> [(number: Int, text: [UInt8])] {
        let blanks: Set<UInt8> = [9, 13, 32]
        return bytes.split(separator: 10, omittingEmptySubsequences: false).enumerated().compactMap { index, line in
            var rest = line.drop { blanks.contains($0) }
            while let last = rest.last, blanks.contains(last) { rest = rest.dropLast() }
            guard let first = rest.first, first != UInt8(ascii: "#") else { return nil }
            return (index + 1, Array(rest))
        }
    }

    private static func unreadable(_ path: String, _ reason: String) -> SecurityFault {
        SecurityFault("cannot read \(path): \(reason)", remedy: "name a file that the service may read")
    }
}
