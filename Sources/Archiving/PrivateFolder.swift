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

    /// Folders of ours in another one that were left behind more than so many seconds ago; removed, if so asked.
    ///
    /// Ours by name and owner, with nothing in them but files in the making.
    static func leftovers(in parent: String, olderThan age: Int, removing: Bool) -> [String] {
        var found: [String] = []
        for name in Files.names(in: parent) where name.hasPrefix("pgvigil-archive-") && name.count == 22 {
            let path = "\(parent)/\(name)"
            let inner = Files.names(in: path).filter { $0 != "." && $0 != ".." }
            guard isOld(path, age, S_IFDIR),
                inner.allSatisfy({
                    ($0.hasSuffix(".partial") || $0.hasSuffix(".partial.read")) && isOld("\(path)/\($0)", age, S_IFREG)
                })
            else { continue }
            found.append(path)
            guard removing else { continue }
            for file in inner { Files.remove("\(path)/\(file)") }
            rmdir(path)
        }
        return found.sorted()
    }

    private static func isOld(_ path: String, _ age: Int, _ kind: mode_t) -> Bool {
        var status = stat()
        return lstat(path, &status) == 0 && status.st_uid == geteuid() && status.st_mode & S_IFMT == kind
            && status.st_mtim.tv_sec < time(nil) - age
    }
}
