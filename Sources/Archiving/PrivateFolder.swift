import Glibc

/// A folder that nobody else may enter, for files in the making; it goes with the value, once it is empty.
final class PrivateFolder: Sendable {
    let path: String

    /// Makes it in another folder.
    init(in parent: String) throws(ArchiveFault) {
        var template = Array("\(parent)/pgvigil-archive-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw Files.failure("make a folder in", parent) }
        path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    deinit { rmdir(path) }
}
