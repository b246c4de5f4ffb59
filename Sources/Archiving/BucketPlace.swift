import CCurl
import CShims
import Glibc
import Runtime

/// Archives in a bucket of S3, or of a server that speaks like it.
struct BucketPlace: ArchivePlace {
    /// Which bucket, and how it is reached.
    struct Address: Sendable, Equatable {
        /// Such as https://s3.eu-central-1.amazonaws.com, without a slash at the end.
        var endpoint: String
        /// The region that requests are signed for.
        var region: String
        /// The bucket's name.
        var bucket: String
        /// What all names begin with; empty, or without slashes at its ends.
        var prefix: String
        /// Whether the bucket stands in the host's name and not in the path.
        var isVirtualHosted: Bool
        /// Certificates to trust in place of the system's.
        var caFile: String?
    }

    /// A single PUT takes no more; a day that is larger belongs in more classes.
    private static let largest = 5 * 1024 * 1024 * 1024

    let address: Address
    let credentials: BucketCredentials
    /// Where files are while they are made or read.
    let folder: PrivateFolder
    /// Seconds since 1970.
    let unixTime: @Sendable () -> Int
    /// How long a server may be slow, or a whole request take.
    var limits = BucketTransfer.Limits()

    var destination: String { "s3://\(address.bucket)" + (address.prefix.isEmpty ? "" : "/\(address.prefix)") }

    func partialPath(_ name: String) throws(ArchiveFault) -> String {
        let flat = name.map { $0 == "/" ? "_" : String($0) }.joined()
        return "\(folder.path)/\(flat).partial"
    }

    func keep(_ path: String, as name: String) throws(ArchiveFault) {
        defer { Files.remove(path) }
        let source = try UploadFile(path: path)
        guard source.count <= Self.largest else {
            throw ArchiveFault(
                .place, "\(name) has \(source.count) bytes, a bucket takes \(Self.largest) at once",
                remedy: "archive to a folder, or divide the class")
        }
        let reply = try transfer("PUT", name, bodySHA256: source.sha256, upload: source)
        guard reply.status == 200 else { throw refusal(reply, "store", name) }
    }

    func fetch(_ name: String) throws(ArchiveFault) -> LocalCopy {
        let path = try partialPath(name) + ".read"
        Files.remove(path)
        let descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw Files.failure("make", path) }
        defer { close(descriptor) }
        do throws(ArchiveFault) {
            let reply = try transfer("GET", name, bodySHA256: Digest.hex(of: []), download: descriptor)
            guard reply.status == 200 else { throw refusal(reply, "read", name) }
            return LocalCopy(path: path, isTemporary: true, folder: folder)
        } catch {
            Files.remove(path)
            throw error
        }
    }

    /// Pages of at most a thousand names, as the server gives them.
    func list() throws(ArchiveFault) -> [PlacedFile] {
        let prefix = address.prefix.isEmpty ? "" : "\(address.prefix)/"
        var found: [PlacedFile] = []
        var token: String?
        repeat {
            var query = [("list-type", "2"), ("prefix", prefix)]
            if let token { query.append(("continuation-token", token)) }
            let reply = try transfer("GET", nil, query: query, bodySHA256: Digest.hex(of: []))
            guard reply.status == 200 else { throw refusal(reply, "list", "") }
            let page = try BucketPage(text: reply.text)
            for file in page.files where file.name.hasPrefix(prefix) {
                let name = String(file.name.dropFirst(prefix.count))
                if Self.isLikeOurs(name) { found.append(PlacedFile(name: name, modifiedAt: file.modifiedAt)) }
            }
            guard page.next == nil || page.next != token else {
                throw ArchiveFault(.place, "\(destination) gives the same page of names again")
            }
            token = page.next
        } while token != nil
        return found
    }

    func leftovers(olderThan age: Int, removing: Bool) -> [String] {
        let parent = folder.path.split(separator: "/").dropLast().map { "/\($0)" }.joined()
        return PrivateFolder.leftovers(in: parent, olderThan: age, removing: removing)
    }

    var forTidying: any ArchivePlace {
        var place = self
        place.limits = BucketTransfer.Limits(slowSeconds: 10, seconds: 10)
        return place
    }

    func remove(_ name: String) throws(ArchiveFault) {
        let reply = try transfer("DELETE", name, bodySHA256: Digest.hex(of: []))
        guard [200, 204, 404].contains(reply.status) else { throw refusal(reply, "remove", name) }
    }

    /// The host and the path of a name, or of the bucket, as they are signed.
    func location(_ name: String?) -> (base: String, host: String, path: String) {
        let parts = address.endpoint.split(separator: "/", maxSplits: 2, omittingEmptySubsequences: false)
        let (scheme, server) = (parts.first ?? "https:", parts.last ?? "")
        let key = name.map { address.prefix.isEmpty ? $0 : "\(address.prefix)/\($0)" } ?? ""
        let host = address.isVirtualHosted ? "\(address.bucket).\(server)" : String(server)
        return ("\(scheme)//\(host)", host, address.isVirtualHosted ? "/\(key)" : "/\(address.bucket)/\(key)")
    }

    private func transfer(
        _ method: String, _ name: String?, query: [(name: String, value: String)] = [], bodySHA256: String,
        upload: UploadFile? = nil, download: Int32? = nil
    ) throws(ArchiveFault) -> BucketTransfer.Reply {
        let location = location(name)
        let signed = RequestSignature(credentials: credentials, region: address.region).headers(
            of: .init(
                method: method, path: location.path, query: query, headers: [("host", location.host)],
                bodySHA256: bodySHA256),
            time: Self.timestamp(unixTime()))
        let transfer = BucketTransfer(upload: upload, download: download, limits: limits)
        return try transfer.run(
            method: method,
            url: location.base + RequestSignature.escaped(location.path, keeps: "/")
                + (query.isEmpty ? "" : "?\(RequestSignature.canonical(query))"),
            headers: signed, caFile: address.caFile)
    }

    private func refusal(_ reply: BucketTransfer.Reply, _ verb: String, _ name: String) -> ArchiveFault {
        let code = reply.errorCode.map { ", \($0)" } ?? ""
        let message = "cannot \(verb) \(destination)/\(name): status \(reply.status)\(code)"
        return reply.status == 404 && verb == "read"
            ? ArchiveFault(.missing, message)
            : ArchiveFault(.place, message, remedy: "check bucket, region, endpoint and credentials")
    }

    /// Such as 20130524T000000Z.
    static func timestamp(_ seconds: Int) -> String {
        var utc = tm()
        var time = time_t(seconds)
        gmtime_r(&time, &utc)
        func padded(_ number: Int32, _ width: Int = 2) -> String {
            let digits = String(number)
            return String(repeating: "0", count: max(0, width - digits.count)) + digits
        }
        return padded(utc.tm_year + 1900, 4) + padded(utc.tm_mon + 1) + padded(utc.tm_mday) + "T"
            + padded(utc.tm_hour) + padded(utc.tm_min) + padded(utc.tm_sec) + "Z"
    }
}
