import Glibc
import Runtime

/// Where days are archived to, and what is needed to reach it.
package struct ArchiveSettings: Sendable {
    /// A folder, or a bucket.
    enum Target: Sendable {
        case folder(String)
        case bucket(BucketPlace.Address)
        /// Only what is archived already is looked at.
        case none
    }

    let target: Target
    private let endpoint: String
    private let region: String
    private let isVirtualHosted: Bool
    private let caFile: String?
    private let credentialsFile: String?
    private let environment: [String: String]
    /// For how many seconds a bucket may be slow.
    var slowSeconds = 60

    /// Reads what options say: `target` is a folder's absolute path or s3://BUCKET[/PREFIX].
    ///
    /// Buckets are addressed by path where an endpoint is given, else by host as AWS wishes; `style` is path or host.
    /// - Throws: kind setting.
    package init(
        target: String?, endpoint: String? = nil, region: String? = nil, style: String? = nil, caFile: String? = nil,
        credentialsFile: String? = nil, environment: [String: String] = ProcessEnvironment.variables()
    ) throws(ArchiveFault) {
        let ownRegion = region ?? environment["AWS_REGION"] ?? environment["AWS_DEFAULT_REGION"] ?? "us-east-1"
        self.region = ownRegion
        self.endpoint = try Self.checked(endpoint ?? "https://s3.\(ownRegion).amazonaws.com")
        guard [nil, "path", "host"].contains(style) else {
            throw ArchiveFault(.setting, "a bucket's style is path or host", remedy: "it says \"\(style ?? "")\"")
        }
        isVirtualHosted = style == "host" || style == nil && endpoint == nil
        self.caFile = caFile
        self.credentialsFile = credentialsFile
        self.environment = environment
        guard let target else {
            self.target = .none
            return
        }
        if target.hasPrefix("s3://") {
            self.target = .bucket(
                try Self.address(
                    target, endpoint: self.endpoint, region: ownRegion, isVirtualHosted: isVirtualHosted,
                    caFile: caFile))
        } else {
            self.target = .folder(try Self.folder(target))
        }
    }

    /// The place that new files go to.
    ///
    /// - Throws: kinds setting, credentials.
    func place(
        isStopped: @escaping @Sendable () -> Bool = { false }
    ) throws(ArchiveFault) -> any ArchivePlace {
        switch target {
        case .folder(let folder): return FolderPlace(folder: folder)
        case .bucket(let address): return try bucket(address, isStopped)
        case .none:
            throw ArchiveFault(
                .setting, "no place to archive to is given", remedy: "name a folder or s3://BUCKET by --archive")
        }
    }

    /// The place that an archive was written to.
    ///
    /// - Throws: kinds setting, credentials.
    func place(
        of destination: String, isStopped: @escaping @Sendable () -> Bool = { false }
    ) throws(ArchiveFault) -> any ArchivePlace {
        if destination.hasPrefix("file://") { return FolderPlace(folder: String(destination.dropFirst(7))) }
        return try bucket(
            try Self.address(
                destination, endpoint: endpoint, region: region, isVirtualHosted: isVirtualHosted, caFile: caFile),
            isStopped)
    }

    private func bucket(
        _ address: BucketPlace.Address, _ isStopped: @escaping @Sendable () -> Bool
    ) throws(ArchiveFault) -> BucketPlace {
        let folder = environment["TMPDIR"].flatMap { $0.isEmpty ? nil : $0 } ?? "/var/tmp"
        return BucketPlace(
            address: address,
            credentials: try BucketCredentials.find(file: credentialsFile, environment: environment),
            folder: try PrivateFolder(in: folder), unixTime: { Int(time(nil)) },
            limits: .init(slowSeconds: slowSeconds, isStopped: isStopped))
    }

    private static func checked(_ endpoint: String) throws(ArchiveFault) -> String {
        let parts = endpoint.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count == 3 || parts.count == 4 && parts[3].isEmpty, ["http:", "https:"].contains(parts[0]),
            parts[1].isEmpty, !parts[2].isEmpty, !parts[2].contains("@")
        else {
            throw ArchiveFault(
                .setting, "the endpoint must be like https://s3.example:9000", remedy: "it says \"\(endpoint)\"")
        }
        return parts[..<3].joined(separator: "/")
    }

    private static func address(
        _ target: String, endpoint: String, region: String, isVirtualHosted: Bool, caFile: String?
    ) throws(ArchiveFault) -> BucketPlace.Address {
        let parts = target.dropFirst(5).split(separator: "/", maxSplits: 1)
        guard let bucket = parts.first, bucket.allSatisfy({ $0.isLetter || $0.isNumber || ".-_".contains($0) }) else {
            throw ArchiveFault(
                .setting, "a bucket is named s3://BUCKET or s3://BUCKET/PREFIX", remedy: "it says \"\(target)\"")
        }
        let prefix = parts.count > 1 ? parts[1].split(separator: "/").joined(separator: "/") : ""
        return BucketPlace.Address(
            endpoint: endpoint, region: region, bucket: String(bucket), prefix: prefix,
            isVirtualHosted: isVirtualHosted, caFile: caFile)
    }

    private static func folder(_ path: String) throws(ArchiveFault) -> String {
        try Files.makeFolder(path.hasPrefix("/") ? path : "\(currentFolder)/\(path)")
        guard let canonical = realpath(path, nil) else { throw Files.failure("find", path) }
        defer { free(canonical) }
        let absolute = String(cString: canonical)
        guard access(absolute, W_OK | X_OK) == 0 else { throw Files.failure("write to", absolute) }
        return absolute
    }

    private static var currentFolder: String {
        guard let text = getcwd(nil, 0) else { return "" }
        defer { free(text) }
        return String(cString: text)
    }
}
