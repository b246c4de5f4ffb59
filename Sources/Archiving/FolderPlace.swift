import Glibc

/// Archives in a folder, where a file gets its name only once all of it is on disk.
struct FolderPlace: ArchivePlace {
    let folder: String

    /// The folder by its absolute path.
    init(folder: String) { self.folder = folder }

    var destination: String { "file://\(folder)" }

    func partialPath(_ name: String) throws(ArchiveFault) -> String {
        let path = "\(folder)/\(name)"
        try Files.makeFolder(path.split(separator: "/").dropLast().map { "/\($0)" }.joined())
        return path + ".partial"
    }

    func keep(_ path: String, as name: String) throws(ArchiveFault) {
        try Files.move(path, to: "\(folder)/\(name)")
    }

    /// A folder in which there is nothing at all has lost no file: it is not mounted.
    func fetch(_ name: String) throws(ArchiveFault) -> LocalCopy {
        if access("\(folder)/\(name)", F_OK) != 0, errno == ENOENT || errno == ENOTDIR,
            Files.names(in: folder).allSatisfy({ $0.hasPrefix(".") || $0 == "lost+found" })
        {
            throw ArchiveFault(
                .place, "the folder \(folder) is not there, or empty", remedy: "is its file system mounted?")
        }
        return LocalCopy(path: "\(folder)/\(name)", isTemporary: false)
    }

    func remove(_ name: String) throws(ArchiveFault) {
        let path = "\(folder)/\(name)"
        guard unlink(path) == 0 || errno == ENOENT else { throw Files.failure("remove", path) }
    }

    func list() throws(ArchiveFault) -> [PlacedFile] {
        var found: [PlacedFile] = []
        var status = stat()
        guard stat(folder, &status) == 0, access(folder, R_OK | X_OK) == 0 else { throw Files.failure("read", folder) }
        for retentionClass in Files.names(in: folder) where !retentionClass.hasPrefix(".") {
            for year in Files.names(in: "\(folder)/\(retentionClass)") where !year.hasPrefix(".") {
                for file in Files.names(in: "\(folder)/\(retentionClass)/\(year)") {
                    let name = "\(retentionClass)/\(year)/\(file)"
                    guard Self.isLikeOurs(name), lstat("\(folder)/\(name)", &status) == 0,
                        status.st_mode & S_IFMT == S_IFREG
                    else { continue }
                    found.append(PlacedFile(name: name, modifiedAt: status.st_mtim.tv_sec))
                }
            }
        }
        return found
    }
}
