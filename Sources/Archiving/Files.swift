import Glibc

/// Files and folders, each change on disk before it counts.
enum Files {
    /// Writes a file and has it on disk.
    static func write(_ bytes: [UInt8], to path: String) throws(ArchiveFault) {
        let descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o640)
        guard descriptor >= 0 else { throw failure("make", path) }
        defer { close(descriptor) }
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { throw failure("write", path) }
            rest = rest.dropFirst(count)
        }
        guard fsync(descriptor) == 0 else { throw failure("write", path) }
    }

    /// All of a small file.
    static func read(_ path: String) throws(ArchiveFault) -> [UInt8] {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else {
            throw ArchiveFault(
                errno == ENOENT ? .missing : .place, "cannot read \(path): \(String(cString: strerror(errno)))")
        }
        defer { close(descriptor) }
        var bytes: [UInt8] = []
        var part = [UInt8](repeating: 0, count: 65_536)
        while true {
            let count = Glibc.read(descriptor, &part, part.count)
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw failure("read", path) }
            guard count > 0 else { return bytes }
            bytes += part[..<count]
        }
    }

    /// Makes a folder and those above it.
    static func makeFolder(_ path: String) throws(ArchiveFault) {
        var built = ""
        for part in path.split(separator: "/") {
            built += "/\(part)"
            guard mkdir(built, 0o750) == 0 || errno == EEXIST || errno == EISDIR else { throw failure("make", built) }
        }
    }

    /// Gives a file another name, and has that on disk.
    static func move(_ path: String, to target: String) throws(ArchiveFault) {
        guard rename(path, target) == 0 else { throw failure("rename", path) }
        try syncFolder(of: target)
    }

    /// Has a folder's list of names on disk.
    static func syncFolder(of path: String) throws(ArchiveFault) {
        let folder = path.split(separator: "/").dropLast().map { "/\($0)" }.joined()
        let descriptor = open(folder.isEmpty ? "/" : folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { throw failure("open", folder) }
        defer { close(descriptor) }
        guard fsync(descriptor) == 0 else { throw failure("write", folder) }
    }

    /// The names in a folder; none when it cannot be read.
    static func names(in folder: String) -> [String] {
        guard let entries = opendir(folder) else { return [] }
        defer { closedir(entries) }
        var names: [String] = []
        while let entry = readdir(entries) {
            names.append(
                withUnsafeBytes(of: entry.pointee.d_name) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) })
        }
        return names
    }

    /// Removes a file if it is there.
    static func remove(_ path: String) { unlink(path) }

    /// What failed, and why.
    static func failure(_ verb: String, _ path: String) -> ArchiveFault {
        ArchiveFault(.place, "cannot \(verb) \(path): \(String(cString: strerror(errno)))")
    }
}
