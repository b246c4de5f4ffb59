import Glibc

/// The bytes of a file and the time of its last modification.
struct ConfigurationFile {
    let bytes: [UInt8]
    /// Nanoseconds since 1970.
    let modifiedNanoseconds: Int64

    /// No file of ours comes near this size; beyond it something else was named.
    private static let maximumSize = 4 << 20

    /// Reads a regular file; time and bytes are of the same file even when it is replaced meanwhile.
    /// - Throws: `ConfigurationError`.
    static func read(path: String) throws(ConfigurationError) -> ConfigurationFile {
        // Without O_NONBLOCK a pipe would hold us here.
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else { throw fault(path, "cannot be opened: " + String(cString: strerror(errno))) }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0 else {
            throw fault(path, "cannot be examined: " + String(cString: strerror(errno)))
        }
        guard status.st_mode & S_IFMT == S_IFREG else { throw fault(path, "not a regular file") }
        guard status.st_size <= maximumSize else { throw fault(path, "larger than 4 MB") }
        let bytes = try contents(descriptor, path)
        return ConfigurationFile(
            bytes: bytes,
            modifiedNanoseconds: nanoseconds(Int64(status.st_mtim.tv_sec), Int64(status.st_mtim.tv_nsec)))
    }

    /// Any time a file system can tell, kept between 1970 and what an explicit generation outranks.
    static func nanoseconds(_ seconds: Int64, _ fraction: Int64) -> Int64 {
        let latest = JobsFile.explicitGenerationBase - 1
        guard seconds >= 0 else { return 0 }
        guard seconds < latest / 1_000_000_000 else { return latest }
        return seconds * 1_000_000_000 + fraction
    }

    private static func contents(_ descriptor: Int32, _ path: String) throws(ConfigurationError) -> [UInt8] {
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 64 << 10)
        while true {
            let count = Glibc.read(descriptor, &chunk, chunk.count)
            if count == 0 { return bytes }
            if count > 0 {
                bytes += chunk[..<count]
                guard bytes.count <= maximumSize else { throw fault(path, "larger than 4 MB") }
            } else if errno != EINTR {
                throw fault(path, "cannot be read: " + String(cString: strerror(errno)))
            }
        }
    }

    private static func fault(_ path: String, _ message: String) -> ConfigurationError {
        ConfigurationError([ConfigurationFault(source: path, message: message)])
    }
}
