import CShims

/// A file of users and the hashes of their passwords, as `htpasswd -B` writes it.
enum PasswordFile {
    /// Slow and salted: a stolen file is no list of passwords.
    private static let accepted = ["$2a$", "$2b$", "$2y$", "$7$", "$y$", "$gy$"]

    /// Hashes by user.
    /// - Throws: `SecurityFault` that names the line.
    static func hashes(_ bytes: [UInt8], path: String) throws(SecurityFault) -> [String: String] {
        var hashes: [String: String] = [:]
        for (number, line) in SecretFile.lines(bytes) {
            let parts = line.split(separator: UInt8(ascii: ":"), maxSplits: 1, omittingEmptySubsequences: false)
            let place = "\(path):\(number)"
            guard parts.count == 2, !parts[0].isEmpty, let user = String(validating: parts[0], as: UTF8.self),
                let hash = String(validating: parts[1], as: UTF8.self)
            else {
                throw SecurityFault("\(place) is not USER:HASH", remedy: remedy)
            }
            guard accepted.contains(where: { hash.hasPrefix($0) }), pgvigil_hash_is_usable(hash) != 0 else {
                throw SecurityFault("\(place): the hash is none of bcrypt, scrypt or yescrypt", remedy: remedy)
            }
            guard hashes.updateValue(hash, forKey: user) == nil else {
                throw SecurityFault("\(place): this user has a line already", remedy: "keep one of them")
            }
        }
        guard !hashes.isEmpty else { throw SecurityFault("\(path) names no user", remedy: remedy) }
        return hashes
    }

    private static let remedy = "write lines made by: htpasswd -nB USER"
}
