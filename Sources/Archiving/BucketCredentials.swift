import Glibc
package import Runtime

/// Who asks a bucket: an access key, its secret, and a token where the two are lent for a while.
package struct BucketCredentials: Sendable {
    /// The access key's id.
    package let accessKey: String
    /// The secret key.
    package let secretKey: SecretBytes
    /// The token of a session.
    package let sessionToken: String?

    /// Credentials that are known.
    package init(accessKey: String, secretKey: SecretBytes, sessionToken: String? = nil) {
        self.accessKey = accessKey
        self.secretKey = secretKey
        self.sessionToken = sessionToken
    }

    /// Looks for them: in the file that was named, in the environment, among systemd's credentials (pgvigil.s3).
    ///
    /// - Throws: kind credentials.
    package static func find(file: String?, environment: [String: String]) throws(ArchiveFault) -> BucketCredentials {
        if let file { return try read(file, isPrivate: false) }
        if let key = environment["AWS_ACCESS_KEY_ID"], let secret = environment["AWS_SECRET_ACCESS_KEY"],
            !key.isEmpty, !secret.isEmpty
        {
            return BucketCredentials(
                accessKey: key, secretKey: SecretBytes(Array(secret.utf8)),
                sessionToken: environment["AWS_SESSION_TOKEN"].flatMap { $0.isEmpty ? nil : $0 })
        }
        if let folder = environment["CREDENTIALS_DIRECTORY"], access("\(folder)/pgvigil.s3", F_OK) == 0 {
            return try read("\(folder)/pgvigil.s3", isPrivate: true)
        }
        throw ArchiveFault(
            .credentials, "there are no credentials for the bucket",
            remedy: "name a file by --archive-credentials, or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY")
    }

    /// A file of the form that other tools use too: lines `aws_access_key_id = …`, headings and comments aside.
    private static func read(_ file: String, isPrivate: Bool) throws(ArchiveFault) -> BucketCredentials {
        var status = stat()
        guard stat(file, &status) == 0 else {
            throw ArchiveFault(.credentials, "cannot read \(file): \(String(cString: strerror(errno)))")
        }
        // systemd lends its files to the service alone, by an access list that shows as rights of the group.
        guard isPrivate || status.st_mode & 0o077 == 0 else {
            throw ArchiveFault(.credentials, "\(file) can be read by others", remedy: "run: chmod 600 \(file)")
        }
        let bytes: [UInt8]
        do throws(ArchiveFault) {
            bytes = try Files.read(file)
        } catch {
            throw ArchiveFault(.credentials, error.message)
        }
        var values: [String: String] = [:]
        for line in bytes.split(whereSeparator: { $0 == 10 || $0 == 13 }) {
            let parts = line.split(separator: 61, maxSplits: 1)
            guard parts.count == 2 else { continue }
            let name = trimmed(parts[0]).lowercased()
            if values[name] == nil { values[name] = trimmed(parts[1]) }
        }
        guard let key = values["aws_access_key_id"], let secret = values["aws_secret_access_key"] else {
            throw ArchiveFault(
                .credentials, "\(file) holds no credentials",
                remedy: "write lines aws_access_key_id = ... and aws_secret_access_key = ...")
        }
        return BucketCredentials(
            accessKey: key, secretKey: SecretBytes(Array(secret.utf8)), sessionToken: values["aws_session_token"])
    }

    private static func trimmed(_ bytes: ArraySlice<UInt8>) -> String {
        let blank: (UInt8) -> Bool = { $0 == 32 || $0 == 9 }
        return String(decoding: bytes.drop(while: blank).reversed().drop(while: blank).reversed(), as: UTF8.self)
    }
}
