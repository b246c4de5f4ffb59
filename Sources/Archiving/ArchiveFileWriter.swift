import CZlib
import Glibc

/// Writes a gzip file piece by piece, and knows the digests of the file and of what is packed in it.
///
/// A `z_stream` keeps pointers into itself and must not move, hence the heap. Used by one thread at a time.
final class ArchiveFileWriter: @unchecked Sendable {  // Proof: the caller hands it from one thread to the next.
    let path: String
    private let descriptor: Int32
    private let stream: UnsafeMutablePointer<z_stream>
    private let file = Digest()
    private let content = Digest()
    private var buffer = [UInt8](repeating: 0, count: 256 * 1024)
    private var isClosed = false

    /// Makes the file, which must not be there.
    init(path: String) throws(ArchiveFault) {
        self.path = path
        descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o640)
        stream = .allocate(capacity: 1)
        stream.initialize(to: z_stream())
        guard descriptor >= 0 else {
            throw ArchiveFault(
                .place, "cannot make \(path): \(String(cString: strerror(errno)))",
                remedy: "the folder must be writable")
        }
        // 31: the largest window, with gzip's header and trailer, which has no time in it: same content, same file.
        deflateInit2_(
            stream, 6, Z_DEFLATED, 31, 9, Z_DEFAULT_STRATEGY, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size))
    }

    deinit {
        deflateEnd(stream)
        stream.deallocate()
        if !isClosed { close(descriptor) }
    }

    /// Packs more bytes.
    func add(_ bytes: [UInt8]) throws(ArchiveFault) {
        try bytes.withUnsafeBufferPointer { (plain) throws(ArchiveFault) in
            content.add(UnsafeRawBufferPointer(plain))
            stream.pointee.next_in = plain.baseAddress.map { UnsafeMutablePointer(mutating: $0) }
            stream.pointee.avail_in = UInt32(plain.count)
            repeat { try deflateOnce(Z_NO_FLUSH) } while stream.pointee.avail_in > 0
        }
    }

    /// Writes the trailer and has all of it on disk; fills the facts.
    func finish(_ facts: inout ArchiveFacts) throws(ArchiveFault) {
        stream.pointee.avail_in = 0
        while try deflateOnce(Z_FINISH) != Z_STREAM_END {}
        guard fsync(descriptor) == 0 else { throw failure("write") }
        isClosed = true
        guard close(descriptor) == 0 else { throw failure("close") }
        facts.contentBytes = content.count
        facts.contentSHA256 = content.finish()
        facts.fileBytes = file.count
        facts.fileSHA256 = file.finish()
    }

    @discardableResult
    private func deflateOnce(_ flush: Int32) throws(ArchiveFault) -> Int32 {
        let room = buffer.count
        let code = buffer.withUnsafeMutableBufferPointer { output -> Int32 in
            stream.pointee.next_out = output.baseAddress
            stream.pointee.avail_out = UInt32(room)
            return deflate(stream, flush)
        }
        try put(room - Int(stream.pointee.avail_out))
        return code
    }

    private func put(_ count: Int) throws(ArchiveFault) {
        try buffer.withUnsafeBufferPointer { (packed) throws(ArchiveFault) in
            var rest = UnsafeRawBufferPointer(UnsafeBufferPointer(rebasing: packed[..<count]))
            file.add(rest)
            while !rest.isEmpty {
                let written = write(descriptor, rest.baseAddress, rest.count)
                if written < 0, errno == EINTR { continue }
                guard written > 0 else { throw failure("write") }
                rest = UnsafeRawBufferPointer(rebasing: rest[written...])
            }
        }
    }

    private func failure(_ verb: String) -> ArchiveFault {
        ArchiveFault(.place, "cannot \(verb) \(path): \(String(cString: strerror(errno)))", remedy: "is there room?")
    }
}
