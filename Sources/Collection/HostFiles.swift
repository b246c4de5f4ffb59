import Glibc

/// The files by which Linux tells about itself, below a root that a test may set.
package struct HostFiles: Sendable {
    private let root: String
    private let filesystem: @Sendable (String) -> FilesystemUse?

    /// Reads below `root`, which is empty for the machine itself.
    package init(root: String = "", filesystem: @escaping @Sendable (String) -> FilesystemUse? = FilesystemUse.of) {
        self.root = root
        self.filesystem = filesystem
    }

    /// The text of a file; nil when it cannot be read.
    func text(_ path: String) -> String? {
        let descriptor = open(root + path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 16384)
        while bytes.count < 1 << 20 {
            let count = read(descriptor, &chunk, chunk.count)
            guard count > 0 else { break }
            bytes.append(contentsOf: chunk[0..<count])
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// The number that a file consists of; nil for "max", another text or none.
    func number(_ path: String) -> Double? {
        text(path).flatMap { $0.split(whereSeparator: \.isWhitespace).first }.flatMap { Double($0) }
    }

    /// A number in a file of lines "name number".
    func number(_ name: String, in path: String) -> Double? {
        for line in (text(path) ?? "").split(separator: "\n") {
            let words = line.split(whereSeparator: { $0 == " " || $0 == ":" || $0 == "\t" })
            if words.count > 1, words[0] == name { return Double(words[1]) }
        }
        return nil
    }

    /// Whether there is such a file or folder.
    func exists(_ path: String) -> Bool { access(root + path, F_OK) == 0 }

    /// How full the filesystem of a path is; nil when the path is not there.
    func use(ofFilesystem path: String) -> FilesystemUse? { filesystem(path) }
}
