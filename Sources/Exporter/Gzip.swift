import CZlib

/// Packs bytes as they come into chunks of a gzip file.
///
/// A `z_stream` keeps pointers into itself and must not move, hence the heap. Used by one thread at a time.
final class GzipPacker {
    private let stream: UnsafeMutablePointer<z_stream>
    private var chunk: [UInt8] = []
    private(set) var chunks: [[UInt8]] = []
    private(set) var plainCount = 0
    private static let chunkSize = 64 * 1024

    /// Level 1: a third of the time of level 6 for a page that is a fifth larger.
    init() {
        stream = .allocate(capacity: 1)
        stream.initialize(to: z_stream())
        // 31: the largest window, with gzip's header and trailer.
        deflateInit2_(
            stream, Z_BEST_SPEED, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY, ZLIB_VERSION,
            Int32(MemoryLayout<z_stream>.size))
    }

    deinit {
        deflateEnd(stream)
        stream.deallocate()
    }

    /// Packs more bytes.
    func add(_ bytes: UnsafeBufferPointer<UInt8>) {
        plainCount += bytes.count
        stream.pointee.next_in = UnsafeMutablePointer(mutating: bytes.baseAddress)
        stream.pointee.avail_in = UInt32(bytes.count)
        while stream.pointee.avail_in > 0 { deflateOnce(Z_NO_FLUSH) }
    }

    /// Writes the trailer; nothing can be added after that.
    func finish() {
        stream.pointee.avail_in = 0
        while deflateOnce(Z_FINISH) != Z_STREAM_END {}
        if !chunk.isEmpty { chunks.append(chunk) }
        chunk = []
    }

    @discardableResult
    private func deflateOnce(_ flush: Int32) -> Int32 {
        var code = Z_OK
        let room = Self.chunkSize - chunk.count
        let produced = withUnsafeTemporaryAllocation(of: UInt8.self, capacity: room) { buffer in
            stream.pointee.next_out = buffer.baseAddress
            stream.pointee.avail_out = UInt32(room)
            code = deflate(stream, flush)
            let count = room - Int(stream.pointee.avail_out)
            chunk.append(contentsOf: buffer[..<count])
            return count
        }
        if chunk.count == Self.chunkSize {
            chunks.append(chunk)
            chunk = []
            chunk.reserveCapacity(Self.chunkSize)
        }
        precondition(produced > 0 || code != Z_STREAM_ERROR, "the packer was used after its end")
        return code
    }
}

/// Unpacks the chunks of a gzip file piece by piece; used by one thread at a time.
final class GzipUnpacker {
    private let stream: UnsafeMutablePointer<z_stream>
    private let chunks: [[UInt8]]
    private var index = 0
    private var offset = 0

    init(chunks: [[UInt8]]) {
        self.chunks = chunks
        stream = .allocate(capacity: 1)
        stream.initialize(to: z_stream())
        inflateInit2_(stream, 31, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size))
    }

    deinit {
        inflateEnd(stream)
        stream.deallocate()
    }

    /// Fills the buffer as far as the file goes; nil when the file is broken.
    func read(into buffer: UnsafeMutableBufferPointer<UInt8>) -> Int? {
        stream.pointee.next_out = buffer.baseAddress
        stream.pointee.avail_out = UInt32(buffer.count)
        while stream.pointee.avail_out > 0, index < chunks.count {
            let code = chunks[index].withUnsafeBufferPointer { chunk -> Int32 in
                stream.pointee.next_in = chunk.baseAddress.map { UnsafeMutablePointer(mutating: $0 + offset) }
                stream.pointee.avail_in = UInt32(chunk.count - offset)
                defer { offset = chunk.count - Int(stream.pointee.avail_in) }
                return inflate(stream, Z_NO_FLUSH)
            }
            if offset == chunks[index].count {
                index += 1
                offset = 0
            }
            if code == Z_STREAM_END { index = chunks.count }
            guard code == Z_OK || code == Z_STREAM_END || code == Z_BUF_ERROR else { return nil }
        }
        return buffer.count - Int(stream.pointee.avail_out)
    }
}
