import Glibc
import Runtime

/// The built `pgvigil`, run as a process of its own.
enum CommandLineProgram {
    /// What a finished run said.
    struct Report: Sendable {
        let ending: ChildProcess.Ending
        let output: String
        let errors: String

        var lines: [Substring] { output.split(separator: "\n", omittingEmptySubsequences: false) }
    }

    /// The binary stands beside the test bundle, since both are built together.
    static var path: String {
        var buffer = [CChar](repeating: 0, count: 4096)
        let count = readlink("/proc/self/exe", &buffer, buffer.count)
        let own = String(decoding: buffer.prefix(max(0, count)).map { UInt8(bitPattern: $0) }, as: UTF8.self)
        return own.split(separator: "/").dropLast().reduce("") { "\($0)/\($1)" } + "/pgvigil"
    }

    /// Ours without anything that would connect somewhere, and with what a test adds.
    static func environment(_ added: [String: String]) -> [String: String] {
        ProcessEnvironment.variables()
            .filter { !$0.key.hasPrefix("PG") || $0.key == "PGVIGIL_PG_BIN" }
            .merging(added) { $1 }
    }

    /// Starts it; standard output and errors go to the files.
    static func start(
        _ arguments: [String], environment added: [String: String] = [:], output: String, errors: String
    ) throws -> ChildProcess {
        try ChildProcess(
            [path] + arguments, environment: environment(added), output: .file(output), errors: .file(errors))
    }

    /// Runs it to its end.
    static func run(_ arguments: [String], environment added: [String: String] = [:]) async throws -> Report {
        let files = try (temporaryFile(), temporaryFile())
        defer {
            unlink(files.0)
            unlink(files.1)
        }
        let child = try start(arguments, environment: added, output: files.0, errors: files.1)
        let ending = await child.wait()
        return Report(ending: ending, output: read(files.0), errors: read(files.1))
    }

    /// Makes an empty file and returns its path.
    static func temporaryFile() throws -> String {
        var template = Array("/tmp/pgvigil-test-XXXXXX".utf8CString)
        let descriptor = mkstemp(&template)
        guard descriptor >= 0 else { throw Problem(description: "mkstemp failed") }
        close(descriptor)
        return String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    /// A file's text.
    static func read(_ path: String) -> String {
        guard let file = fopen(path, "re") else { return "" }
        defer { fclose(file) }
        var bytes: [UInt8] = []
        var part = [UInt8](repeating: 0, count: 65_536)
        while true {
            let count = fread(&part, 1, part.count, file)
            guard count > 0 else { return String(decoding: bytes, as: UTF8.self) }
            bytes += part[..<count]
        }
    }

    struct Problem: Error, CustomStringConvertible {
        let description: String
    }
}
