import Glibc
import Testing

@testable import Collection

/// A folder that stands for the root of a machine.
final class HostFolder {
    let path: String

    init() throws {
        var template = Array("/tmp/pgvigil-host-XXXXXX".utf8CString)
        try #require(mkdtemp(&template) != nil)
        path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    deinit { Self.remove(path) }

    /// Writes a file and the folders to it.
    func write(_ name: String, _ text: String) throws {
        var folder = path
        for part in name.split(separator: "/").dropLast() {
            folder += "/\(part)"
            mkdir(folder, 0o755)
        }
        let file = try #require(fopen("\(path)\(name)", "w"))
        defer { fclose(file) }
        try #require(fputs(text, file) >= 0)
    }

    /// The files below it, on a filesystem of which three quarters are in use.
    var files: HostFiles {
        HostFiles(root: path) { directory in
            directory == "/data" ? FilesystemUse(size: 1000, free: 300, available: 233.33) : nil
        }
    }

    private static func remove(_ path: String) {
        if let folder = opendir(path) {
            while let entry = readdir(folder) {
                let name = withUnsafeBytes(of: entry.pointee.d_name) { bytes in
                    String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
                }
                if name != ".", name != ".." { remove("\(path)/\(name)") }
            }
            closedir(folder)
            rmdir(path)
        } else {
            unlink(path)
        }
    }
}
