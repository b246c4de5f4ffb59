import EmbeddedPostgres
import Glibc
import Postgres
import Runtime
import TestSupport
import Testing

/// The built program, running `serve`, with its log.
final class ServeProcess: Sendable {
    /// The test gave up waiting.
    struct GaveUp: Error, CustomStringConvertible {
        let description: String
    }

    let child: ChildProcess
    private let logPath: String
    private let outputPath: String

    /// The program that was built beside the tests.
    static let program: String = {
        var path = [CChar](repeating: 0, count: 4096)
        let count = readlink("/proc/self/exe", &path, path.count - 1)
        let folder = path.prefix(max(0, count)).map { UInt8(bitPattern: $0) }
        let parts = String(decoding: folder, as: UTF8.self).split(separator: "/").dropLast()
        return "/" + parts.joined(separator: "/") + "/pgvigil"
    }()

    /// Starts it, by another program if one is named; `listen` picks a free port unless given.
    init(
        _ arguments: [String], folder: TemporaryFolder, listen: String = "127.0.0.1:0",
        environment: [String: String] = [:], through: [String] = []
    ) throws {
        logPath = folder.newPath("serve.log")
        outputPath = folder.newPath("serve.out")
        child = try ChildProcess(
            through + [Self.program, "serve", "--listen", listen] + arguments,
            environment: ProcessEnvironment.variables().merging(environment) { $1 },
            output: .file(outputPath),
            errors: .file(logPath))
    }

    /// Everything it logged so far.
    var log: String { TemporaryFolder.read(logPath) }

    /// Everything it printed so far.
    var output: String { TemporaryFolder.read(outputPath) }

    /// The port that it answers on, once it serves.
    func port() async throws -> UInt16 {
        try await eventually("it serves") { self.log.contains("\"event\":\"serving\"") }
        let line = try #require(log.split(separator: "\n").last { $0.contains("\"url\":\"http") })
        let port = line.split(separator: ":").last?.prefix { $0.isNumber }
        return try #require(port.flatMap { UInt16($0) })
    }

    /// Waits until `condition` holds; fails at once when the program has ended.
    func eventually(
        _ what: String, within limit: Duration = .seconds(60), _ condition: @Sendable () async throws -> Bool
    ) async throws {
        let deadline = Monotonic.now() + limit
        while Monotonic.now() < deadline {
            if (try? await condition()) == true { return }
            if let ending = child.ending { throw GaveUp(description: "\(what): it ended, \(ending)\n\(log)") }
            try await Task.sleep(for: .milliseconds(50))
        }
        throw GaveUp(description: "not within \(limit): \(what)\n\(log)")
    }

    /// Sends SIGTERM and waits for the end.
    func stop() async -> ChildProcess.Ending {
        child.signal(SIGTERM)
        return await child.wait()
    }

    /// Runs `body` with a serving process, which is killed if it still runs afterwards.
    static func with<R>(
        _ arguments: [String], listen: String = "127.0.0.1:0", environment: [String: String] = [:],
        through: [String] = [], _ body: (ServeProcess, UInt16) async throws -> R
    ) async throws -> R {
        let folder = try TemporaryFolder()
        let process = try ServeProcess(
            arguments, folder: folder, listen: listen, environment: environment, through: through)
        do {
            let result = try await body(process, try await process.port())
            process.child.signal(SIGKILL)
            _ = await process.child.wait()
            return result
        } catch {
            process.child.signal(SIGKILL)
            _ = await process.child.wait()
            throw error
        }
    }

    /// Runs it where it is expected to end by itself: how it ended and what it wrote.
    static func refused(_ arguments: [String]) async throws -> ChildProcess.Report {
        try await ChildProcess.run(
            [program, "serve"] + arguments, environment: ProcessEnvironment.variables())
    }
}

/// A folder that goes when it is let go of.
final class TemporaryFolder: Sendable {
    let path: String
    private let count = Lock(0)

    init() throws {
        var template = Array("/tmp/pgvigil-e2e-XXXXXX".utf8CString)
        path = try #require(mkdtemp(&template).map { String(cString: $0) })
        // The embedded server's own user must be able to pass through.
        chmod(path, 0o755)
    }

    deinit { _ = try? ChildProcess(["/bin/rm", "-rf", path], environment: [:]) }

    /// A path that nobody used.
    func newPath(_ name: String) -> String {
        let number = count.withLock { count in
            count += 1
            return count
        }
        return "\(path)/\(number)-\(name)"
    }

    /// Writes a file whole.
    func write(_ text: String, to name: String) throws -> String {
        let path = "\(path)/\(name)"
        let file = try #require(fopen(path, "we"))
        fputs(text, file)
        fclose(file)
        return path
    }

    /// A file's text; empty when there is none.
    static func read(_ path: String) -> String {
        guard let file = fopen(path, "re") else { return "" }
        defer { fclose(file) }
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 65_536)
        while true {
            let count = fread(&buffer, 1, buffer.count, file)
            guard count > 0 else { return String(decoding: bytes, as: UTF8.self) }
            bytes += buffer[..<count]
        }
    }
}

/// A TCP port that was free a moment ago.
func freePort() throws -> UInt16 {
    let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
    defer { close(descriptor) }
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    let code = withUnsafeMutablePointer(to: &address) { pointer in
        pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
            bind(descriptor, address, length) == 0 ? getsockname(descriptor, address, &length) : -1
        }
    }
    try #require(code == 0)
    return UInt16(bigEndian: address.sin_port)
}
