import CCurl
import CShims
import Glibc

/// A file that is sent as the body of a request.
final class UploadFile {
    let count: Int
    let sha256: String
    fileprivate let descriptor: Int32

    /// Opens and reads the file for its digest.
    init(path: String) throws(ArchiveFault) {
        descriptor = open(path, O_RDONLY | O_CLOEXEC)
        let digest = Digest()
        if descriptor >= 0 {
            var part = [UInt8](repeating: 0, count: 256 * 1024)
            while true {
                let count = read(descriptor, &part, part.count)
                if count < 0, errno == EINTR { continue }
                guard count > 0 else { break }
                part.withUnsafeBytes { digest.add(UnsafeRawBufferPointer(rebasing: $0[..<count])) }
            }
        }
        count = digest.count
        sha256 = digest.finish()
        guard descriptor >= 0, lseek(descriptor, 0, SEEK_SET) == 0 else { throw Files.failure("read", path) }
    }

    deinit { if descriptor >= 0 { close(descriptor) } }
}

/// One request to a bucket, by the thread that calls; bodies go from and to files.
final class BucketTransfer {
    /// What the server said.
    struct Reply {
        let status: Int
        /// The beginning of an answer that is no file; enough for a page of names.
        let text: String

        /// What stands in the answer's element Code.
        var errorCode: String? {
            guard let start = text.firstRange(of: "<Code>"), let end = text.firstRange(of: "</Code>"),
                start.upperBound <= end.lowerBound
            else { return nil }
            return String(text[start.upperBound..<end.lowerBound].prefix(60).filter { $0.isLetter || $0.isNumber })
        }
    }

    /// How long a server may take.
    struct Limits: Sendable {
        /// Slower than a kilobyte a second for so long is too slow.
        var slowSeconds = 60
        /// For the whole of a request; nil for as long as it moves.
        var seconds: Int?
        /// Whether to give up now.
        var isStopped: @Sendable () -> Bool = { false }
    }

    /// A thousand names of a kilobyte each, and what stands around them.
    private static let longestText = 2 * 1024 * 1024

    private let upload: UploadFile?
    private let download: Int32?
    private let limits: Limits
    private var handle: UnsafeMutableRawPointer?
    private var text: [UInt8] = []
    private var failure: ArchiveFault?

    init(upload: UploadFile?, download: Int32?, limits: Limits) {
        self.upload = upload
        self.download = download
        self.limits = limits
    }

    /// Sends the request and reads the answer.
    func run(
        method: String, url: String, headers: [(name: String, value: String)], caFile: String?
    ) throws(ArchiveFault) -> Reply {
        guard let handle = curl_easy_init() else { throw ArchiveFault(.place, "out of memory") }
        defer { curl_easy_cleanup(handle) }
        self.handle = handle
        var lines: UnsafeMutablePointer<curl_slist>?
        for header in headers { lines = curl_slist_append(lines, "\(header.name): \(header.value)") }
        lines = curl_slist_append(lines, "Expect:")
        defer { curl_slist_free_all(lines) }
        let context = Unmanaged.passUnretained(self).toOpaque()
        var codes = [
            pgvigil_curl_harden(handle),
            pgvigil_curl_set_text(handle, CURLOPT_URL, url),
            pgvigil_curl_set_text(handle, CURLOPT_CUSTOMREQUEST, method),
            pgvigil_curl_set_long(handle, CURLOPT_CONNECTTIMEOUT_MS, 15_000),
            pgvigil_curl_set_long(handle, CURLOPT_LOW_SPEED_LIMIT, 1024),
            pgvigil_curl_set_long(handle, CURLOPT_LOW_SPEED_TIME, limits.slowSeconds),
            pgvigil_curl_set_long(handle, CURLOPT_TIMEOUT_MS, (limits.seconds ?? 0) * 1000),
            pgvigil_curl_set_tick(handle, Self.onTick, context),
            pgvigil_curl_set_headers(handle, lines),
            pgvigil_curl_callbacks(handle, Self.onBody, Self.onHeader, nil, nil, context),
        ]
        if let caFile { codes.append(pgvigil_curl_set_text(handle, CURLOPT_CAINFO, caFile)) }
        if let upload { codes.append(pgvigil_curl_upload(handle, Self.onRead, context, Int64(upload.count))) }
        guard codes.allSatisfy({ $0 == CURLE_OK }) else { throw ArchiveFault(.place, "the request cannot be made") }
        let code = curl_easy_perform(handle)
        if let failure { throw failure }
        if code == CURLE_ABORTED_BY_CALLBACK, limits.isStopped() { throw ArchiveFault(.interrupted, "interrupted") }
        guard code == CURLE_OK else {
            throw ArchiveFault(
                .place, "cannot reach \(url): \(String(cString: curl_easy_strerror(code)))",
                remedy: "check the endpoint")
        }
        return Reply(
            status: pgvigil_curl_long(handle, CURLINFO_RESPONSE_CODE), text: String(decoding: text, as: UTF8.self))
    }

    private static func of(_ context: UnsafeMutableRawPointer?) -> BucketTransfer? {
        context.map { Unmanaged<BucketTransfer>.fromOpaque($0).takeUnretainedValue() }
    }

    private static let onHeader: pgvigil_curl_sink = { _, size, count, _ in size * count }

    /// A file goes to the disk, an error's explanation is kept.
    private static let onBody: pgvigil_curl_sink = { bytes, size, count, context in
        guard let transfer = of(context) else { return 0 }
        let total = size * count
        let status = transfer.handle.map { pgvigil_curl_long($0, CURLINFO_RESPONSE_CODE) } ?? 0
        guard let download = transfer.download, status == 200 else {
            let room = max(0, longestText - transfer.text.count)
            transfer.text += UnsafeRawBufferPointer(start: bytes, count: min(total, room))
            return total
        }
        var done = 0
        while done < total {
            let written = write(download, bytes.map { $0 + done }, total - done)
            if written < 0, errno == EINTR { continue }
            guard written > 0 else {
                transfer.failure = Files.failure("write", "what was read of the bucket")
                return 0
            }
            done += written
        }
        return total
    }

    /// Called once a second at least.
    private static let onTick: pgvigil_curl_tick = { context, _, _, _, _ in
        of(context)?.limits.isStopped() == true ? 1 : 0
    }

    private static let onRead: pgvigil_curl_sink = { bytes, size, count, context in
        guard let upload = of(context)?.upload else { return 0 }
        while true {
            let count = read(upload.descriptor, bytes, size * count)
            if count < 0, errno == EINTR { continue }
            // More than any count: the request ends.
            return count < 0 ? Int(CURL_READFUNC_ABORT) : count
        }
    }
}
