import Runtime

/// One rendered page, kept packed: a tenth of its size, and what nearly every client asks for.
struct MetricsPage: Sendable {
    /// The pieces of the gzip file.
    let chunks: [[UInt8]]
    /// The size of the file in bytes.
    let packedCount: Int
    /// The size of the text in bytes.
    let plainCount: Int

    /// Whether it stands for a server that nobody knows.
    let isOfUnknownServer: Bool

    /// What is kept in place of a page for a server that nobody knows.
    static let unknownServer = MetricsPage(GzipPacker(), isOfUnknownServer: true)

    fileprivate init(_ packer: GzipPacker, isOfUnknownServer: Bool = false) {
        self.isOfUnknownServer = isOfUnknownServer
        chunks = packer.chunks
        packedCount = chunks.reduce(0) { $0 + $1.count }
        plainCount = packer.plainCount
    }
}

/// Builds a page from text that arrives on any thread.
final class MetricsPageBuilder: Sendable {
    private let packer = Lock(Holder())

    /// The packer never leaves the lock.
    private struct Holder {
        let packer = GzipPacker()
    }

    /// Adds whole lines.
    func add(_ text: String) {
        var text = text
        text.withUTF8 { bytes in packer.withLock { $0.packer.add(bytes) } }
    }

    /// The page; nothing can be added any more.
    func finished() -> MetricsPage {
        packer.withLock { holder in
            holder.packer.finish()
            return MetricsPage(holder.packer)
        }
    }
}

/// Reads a page from front to back for one client; used by one thread at a time.
final class MetricsPageReader {
    private let page: MetricsPage
    private let unpacker: GzipUnpacker?
    private let place: Slots.Place?
    private var index = 0
    private var offset = 0

    /// The place is held as long as the reader.
    init(_ page: MetricsPage, packed: Bool, place: Slots.Place? = nil) {
        self.page = page
        self.place = place
        unpacker = packed ? nil : GzipUnpacker(chunks: page.chunks)
    }

    /// Fills the buffer; 0 at the end, nil when the page is broken.
    func read(into buffer: UnsafeMutableBufferPointer<UInt8>) -> Int? {
        if let unpacker { return unpacker.read(into: buffer) }
        var filled = 0
        while filled < buffer.count, index < page.chunks.count {
            let chunk = page.chunks[index]
            let count = min(buffer.count - filled, chunk.count - offset)
            let target = UnsafeMutableBufferPointer(rebasing: buffer[filled..<filled + count])
            _ = target.update(fromContentsOf: chunk[offset..<offset + count])
            filled += count
            offset += count
            if offset == chunk.count {
                index += 1
                offset = 0
            }
        }
        return filled
    }
}
