import CZlib
import Glibc

/// Reads an archive line by line and checks all of it against what is known of it.
///
/// Used by one thread at a time.
final class ArchiveFileReader: @unchecked Sendable {  // Proof: the caller hands it from one thread to the next.
    private let path: String
    private let facts: ArchiveFacts
    private let descriptor: Int32
    private let stream: UnsafeMutablePointer<z_stream>
    private let file = Digest()
    private let content = Digest()
    private var input = [UInt8](repeating: 0, count: 256 * 1024)
    private var output = [UInt8](repeating: 0, count: 512 * 1024)
    private var pending: [UInt8] = []
    private var position = 0
    private var isAtEnd = false
    private var hasHeading = false
    private var (rows, series, details) = (0, 0, 0)

    /// Opens the file and compares its size.
    ///
    /// - Throws: kinds missing, damaged.
    init(path: String, facts: ArchiveFacts) throws(ArchiveFault) {
        self.path = path
        self.facts = facts
        descriptor = open(path, O_RDONLY | O_CLOEXEC)
        stream = .allocate(capacity: 1)
        stream.initialize(to: z_stream())
        inflateInit2_(stream, 31, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size))
        guard descriptor >= 0 else {
            throw ArchiveFault(errno == ENOENT ? .missing : .place, "cannot read \(path): \(Self.reason)")
        }
        var status = stat()
        guard fstat(descriptor, &status) == 0, Int(status.st_size) == facts.fileBytes else {
            throw ArchiveFault(.damaged, "the file has \(status.st_size) bytes, \(facts.fileBytes) were written")
        }
    }

    deinit {
        inflateEnd(stream)
        stream.deallocate()
        if descriptor >= 0 { close(descriptor) }
    }

    /// How far into the file it is, from 0 to 1.
    var progress: Double { facts.fileBytes == 0 ? 1 : Double(file.count) / Double(facts.fileBytes) }

    /// The next line; nil when all were read and all of the file is as it was written.
    ///
    /// - Throws: kind damaged.
    func next() throws(ArchiveFault) -> ArchiveLine? {
        while true {
            if let end = pending[position...].firstIndex(of: 10) {
                let bytes = pending[position..<end]
                position = end + 1
                if hasHeading {
                    let line = try ArchiveLine(bytes: bytes)
                    guard series > 0 || !line.isDetail else {
                        throw ArchiveFault(.damaged, "a detail stands before any series")
                    }
                    rows += line.samples
                    series += line.isDetail ? 0 : 1
                    details += line.isDetail ? 1 : 0
                    return line
                }
                try checkHeading(bytes)
            } else if isAtEnd {
                try checkEnd()
                return nil
            } else {
                try refill()
            }
        }
    }

    /// Reads all of it.
    ///
    /// - Throws: kind damaged.
    func verify(_ advance: (Double) throws(ArchiveFault) -> Void = { _ in }) throws(ArchiveFault) {
        while try next() != nil { try advance(progress) }
    }

    private func checkHeading(_ bytes: ArraySlice<UInt8>) throws(ArchiveFault) {
        let expected = ArchiveLine.heading(retentionClass: facts.retentionClass, day: facts.day).dropLast()
        guard bytes.elementsEqual(expected) else {
            let version = ArchiveLine.formatVersion(ofHeading: bytes)
            guard let version, version != ArchiveLine.format, try isAsWritten() else {
                throw ArchiveFault(.damaged, "the file begins as that of another class, day or format")
            }
            throw ArchiveFault(
                .newer, "the file is of format \(version), this program reads \(ArchiveLine.format)",
                remedy: "use the pgvigil that wrote it, or a newer one")
        }
        hasHeading = true
    }

    /// Whether the file, read from its beginning, is what was written: what is damaged is of no format.
    private func isAsWritten() throws(ArchiveFault) -> Bool { Digest.hex(of: try Files.read(path)) == facts.fileSHA256 }

    private func checkEnd() throws(ArchiveFault) {
        guard position == pending.count else { throw ArchiveFault(.damaged, "the file's last line has no end") }
        for (what, found, expected) in [
            ("samples", rows, facts.rows), ("series", series, facts.series), ("details", details, facts.details),
            ("bytes of content", content.count, facts.contentBytes),
        ] where found != expected {
            throw ArchiveFault(.damaged, "the file holds \(found) \(what), \(expected) were written")
        }
        guard file.finish() == facts.fileSHA256 else {
            throw ArchiveFault(.damaged, "the file's SHA-256 is not that of its manifest")
        }
        guard content.finish() == facts.contentSHA256 else {
            throw ArchiveFault(.damaged, "the content's SHA-256 is not that of its manifest")
        }
        // So that a further call finds the end again.
        hasHeading = true
    }

    /// Unpacks some more; what was used of the lines so far goes.
    private func refill() throws(ArchiveFault) {
        if position > 0 {
            pending.removeFirst(position)
            position = 0
        }
        let count = read(descriptor, &input, input.count)
        if count < 0, errno == EINTR { return }
        guard count > 0 else { throw ArchiveFault(.damaged, "the file ends before what is packed in it") }
        input.withUnsafeBytes { file.add(UnsafeRawBufferPointer(rebasing: $0[..<count])) }
        try input.withUnsafeMutableBufferPointer { (packed) throws(ArchiveFault) in
            stream.pointee.next_in = packed.baseAddress
            stream.pointee.avail_in = UInt32(count)
            while stream.pointee.avail_in > 0 || stream.pointee.avail_out == 0 {
                guard try inflateOnce() else { break }
            }
        }
        guard !isAtEnd || stream.pointee.avail_in == 0 && file.count == facts.fileBytes else {
            throw ArchiveFault(.damaged, "the file goes on after what is packed in it")
        }
    }

    /// False when there is nothing more to unpack of what was read.
    private func inflateOnce() throws(ArchiveFault) -> Bool {
        let room = output.count
        let code = output.withUnsafeMutableBufferPointer { bytes -> Int32 in
            stream.pointee.next_out = bytes.baseAddress
            stream.pointee.avail_out = UInt32(room)
            return inflate(stream, Z_NO_FLUSH)
        }
        let count = room - Int(stream.pointee.avail_out)
        output.withUnsafeBytes { content.add(UnsafeRawBufferPointer(rebasing: $0[..<count])) }
        pending += output[..<count]
        isAtEnd = code == Z_STREAM_END
        guard code == Z_OK || code == Z_STREAM_END || code == Z_BUF_ERROR else {
            throw ArchiveFault(.damaged, "the file cannot be unpacked beyond byte \(stream.pointee.total_in)")
        }
        return code == Z_OK
    }

    private static var reason: String { String(cString: strerror(errno)) }
}
