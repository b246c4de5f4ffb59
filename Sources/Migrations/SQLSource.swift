import Glibc

/// A file as the build plugin embeds it: static text, nothing computed before it is read.
struct EmbeddedFile {
    let path: StaticString
    let text: StaticString
}

/// Where the SQL files come from: the binary itself, or a folder while developing.
package enum SQLSource: Sendable, Equatable {
    /// The files that were in `sql` when this binary was built.
    case embedded
    /// A folder laid out like `sql`.
    case folder(String)

    /// Every file, sorted by path bytes.
    /// - Throws: `MigrationFault` when the folder or a file in it cannot be read.
    package func files() throws(MigrationFault) -> [SQLFile] {
        switch self {
        case .embedded:
            return Self.embeddedFiles.map { SQLFile(path: $0.path.description, text: $0.text.description) }
        case .folder(let root):
            var files: [SQLFile] = []
            for path in try Self.paths(below: root) {
                files.append(SQLFile(path: path, text: try Self.text(of: "\(root)/\(path)")))
            }
            guard !files.isEmpty else { throw .unreadableFolder(root, "it holds no .sql file") }
            return files
        }
    }

    private static func paths(below root: String) throws(MigrationFault) -> [String] {
        var found: [String] = []
        var pending = [""]
        while let relative = pending.popLast() {
            let folder = relative.isEmpty ? root : "\(root)/\(relative)"
            guard let stream = opendir(folder) else { throw .unreadableFolder(folder, Self.lastError()) }
            defer { closedir(stream) }
            while let entry = readdir(stream) {
                let name = withUnsafeBytes(of: &entry.pointee.d_name) { raw in
                    String(decoding: raw.prefix { $0 != 0 }, as: UTF8.self)
                }
                guard !name.hasPrefix(".") else { continue }
                let path = relative.isEmpty ? name : "\(relative)/\(name)"
                var status = stat()
                guard stat("\(root)/\(path)", &status) == 0 else { continue }
                if status.st_mode & S_IFMT == S_IFDIR {
                    pending.append(path)
                } else if name.hasSuffix(".sql") {
                    found.append(path)
                }
            }
        }
        return found.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
    }

    private static func text(of path: String) throws(MigrationFault) -> String {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw .unreadableFile(path, lastError()) }
        defer { close(descriptor) }
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 65_536)
        while true {
            let count = read(descriptor, &chunk, chunk.count)
            guard count >= 0 else { throw .unreadableFile(path, lastError()) }
            if count == 0 { break }
            bytes.append(contentsOf: chunk[..<count])
        }
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw .unreadableFile(path, "it is not valid UTF-8")
        }
        return text
    }

    private static func lastError() -> String { String(cString: strerror(errno)) }
}
