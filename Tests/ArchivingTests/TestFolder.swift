import Glibc

/// A folder that goes with the value.
final class TestFolder: Sendable {
    let path: String

    init() throws {
        var template = Array("/tmp/pgvigil-archive-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw Problem(description: "mkdtemp failed") }
        path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    deinit { Self.discard(path) }

    struct Problem: Error, CustomStringConvertible {
        let description: String
    }

    /// Writes a file and returns its path.
    @discardableResult
    func write(_ text: String, to name: String, mode: mode_t = 0o644) throws -> String {
        try write(Array(text.utf8), to: name, mode: mode)
    }

    @discardableResult
    func write(_ bytes: [UInt8], to name: String, mode: mode_t = 0o644) throws -> String {
        let file = "\(path)/\(name)"
        let descriptor = open(file, O_WRONLY | O_CREAT | O_TRUNC, mode)
        guard descriptor >= 0 else { throw Problem(description: "cannot write \(file)") }
        defer { close(descriptor) }
        guard Glibc.write(descriptor, bytes, bytes.count) == bytes.count else {
            throw Problem(description: "cannot write \(file)")
        }
        return file
    }

    /// All files below the folder, by their paths in it.
    func files(_ below: String = "") -> [String] {
        guard let entries = opendir("\(path)/\(below)") else { return [] }
        defer { closedir(entries) }
        var found: [String] = []
        while let entry = readdir(entries) {
            let name = withUnsafeBytes(of: entry.pointee.d_name) {
                String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
            }
            guard name != ".", name != ".." else { continue }
            let inner = below.isEmpty ? name : "\(below)/\(name)"
            let deeper = files(inner)
            found += entry.pointee.d_type == UInt8(DT_DIR) ? deeper : [inner]
        }
        return found.sorted()
    }

    private static func discard(_ path: String) {
        if let entries = opendir(path) {
            defer { closedir(entries) }
            while let entry = readdir(entries) {
                let name = withUnsafeBytes(of: entry.pointee.d_name) {
                    String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
                }
                guard name != ".", name != ".." else { continue }
                if entry.pointee.d_type == UInt8(DT_DIR) {
                    discard("\(path)/\(name)")
                } else {
                    unlink("\(path)/\(name)")
                }
            }
        }
        rmdir(path)
    }
}
