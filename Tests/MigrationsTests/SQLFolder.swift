import Glibc
import Migrations

/// A folder of SQL files for one test, laid out like `sql`; it goes with the value's last copy.
final class SQLFolder: Sendable {
    let path: String

    /// Makes the folder with the first migration of ours, which makes roles, schemas and ledger, and the given files.
    init(_ files: [String: String] = [:], withoutFirst: Bool = false) throws {
        var template = Array("/tmp/pgvigil-sql-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw Problem(description: "mkdtemp failed") }
        path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
        if !withoutFirst { try write(Self.first.path, Self.first.text) }
        for (name, text) in files { try write(name, text) }
    }

    deinit {
        _ = Self.walk(path)
    }

    /// The source that reads this folder.
    var source: SQLSource { .folder(path) }

    func write(_ name: String, _ text: String) throws {
        var folder = path
        for part in name.split(separator: "/").dropLast() {
            folder += "/\(part)"
            mkdir(folder, 0o755)
        }
        guard let file = fopen("\(path)/\(name)", "w") else { throw Problem(description: "cannot write \(name)") }
        defer { fclose(file) }
        fputs(text, file)
    }

    func remove(_ name: String) { unlink("\(path)/\(name)") }

    /// Our own first migration.
    static let first: SQLFile = {
        let files = (try? SQLSource.embedded.files()) ?? []
        return files.first { $0.path.hasPrefix("migrations/0001_") } ?? SQLFile(path: "", text: "")
    }()

    struct Problem: Error, CustomStringConvertible {
        let description: String
    }

    private static func walk(_ folder: String) -> Bool {
        guard let stream = opendir(folder) else { return unlink(folder) == 0 }
        while let entry = readdir(stream) {
            let name = withUnsafeBytes(of: &entry.pointee.d_name) { raw in
                String(decoding: raw.prefix { $0 != 0 }, as: UTF8.self)
            }
            if name != ".", name != ".." { _ = walk("\(folder)/\(name)") }
        }
        closedir(stream)
        return rmdir(folder) == 0
    }
}
