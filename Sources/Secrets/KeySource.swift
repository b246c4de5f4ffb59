import Glibc
import Runtime

/// Where the keys of the process are, in the order of search: a file that was named, the environment, systemd.
package struct KeySource: Sendable {
    /// The largest file of keys.
    private static let fileLimit = 65_536

    private let file: String?
    private let environment: [String: String]

    /// `file` is what an option or PGVIGIL_KEY_FILE named.
    package init(file: String?, environment: [String: String]) {
        self.file = file ?? environment["PGVIGIL_KEY_FILE"].flatMap { $0.isEmpty ? nil : $0 }
        self.environment = environment
    }

    /// Reads the keys from the first place that is there.
    ///
    /// - Throws: kind noKey when there is none, unfitKeyFile, malformedKey.
    package func keys() throws(SecretFault) -> KeyRing {
        guard let ring = try keysIfPresent() else {
            throw SecretFault(
                .noKey, "there is no key to seal and open secrets with",
                remedy: "make one with: pgvigil key new --output FILE; then name it by --key-file or PGVIGIL_KEY_FILE")
        }
        return ring
    }

    /// The same, or nil when no place is given.
    ///
    /// - Throws: kinds unfitKeyFile, malformedKey, and noKey for a place that holds nothing.
    package func keysIfPresent() throws(SecretFault) -> KeyRing? {
        if let file { return try ring(file: file, isPrivate: false) }
        if let text = environment["PGVIGIL_KEY"], !text.isEmpty {
            let bytes = SecretBytes(Array(text.utf8))
            return try bytes.withBytes { (text) throws(SecretFault) in
                try KeyRing(text: text, place: "PGVIGIL_KEY")
            }
        }
        if let folder = environment["CREDENTIALS_DIRECTORY"], !folder.isEmpty {
            let path = "\(folder)/pgvigil.key"
            // systemd lends it to the service alone, by an access list that shows as rights of the group.
            if access(path, F_OK) == 0 { return try ring(file: path, isPrivate: true) }
        }
        return nil
    }

    private func ring(file: String, isPrivate: Bool) throws(SecretFault) -> KeyRing {
        let descriptor = Glibc.open(file, O_RDONLY | O_CLOEXEC | O_NOCTTY)
        guard descriptor >= 0 else {
            throw SecretFault(
                .unfitKeyFile, "cannot read the key file \(file): \(String(cString: strerror(errno)))",
                remedy: "make one with: pgvigil key new --output \(file)")
        }
        defer { close(descriptor) }
        var facts = stat()
        guard fstat(descriptor, &facts) == 0, isPrivate || facts.st_mode & 0o077 == 0 else {
            throw SecretFault(
                .unfitKeyFile, "the key file \(file) can be read by others", remedy: "run: chmod 600 \(file)")
        }
        return try Self.contents(descriptor, file).withBytes { (text) throws(SecretFault) in
            try KeyRing(text: text, place: file)
        }
    }

    private static func contents(_ descriptor: Int32, _ file: String) throws(SecretFault) -> SecretBytes {
        try SecretBytes(capacity: fileLimit) { (buffer) throws(SecretFault) in
            var count = 0
            while count < fileLimit {
                let part = read(descriptor, buffer.baseAddress.map { $0 + count }, fileLimit - count)
                if part < 0, errno == EINTR { continue }
                guard part >= 0 else {
                    throw SecretFault(
                        .unfitKeyFile, "cannot read the key file \(file): \(String(cString: strerror(errno)))",
                        remedy: "name a file that holds keys")
                }
                guard part > 0 else { return count }
                count += part
            }
            throw SecretFault(
                .malformedKey, "\(file) is too large to be a file of keys", remedy: "name a file that holds keys")
        }
    }
}
