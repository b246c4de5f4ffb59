import Glibc
import Runtime
import Testing

/// `pgvigil key`.
@Suite struct KeyCommandTests {
    @Test("a new key is printed, 32 bytes in base64, another one each time")
    func printed() async throws {
        let first = try await CommandLineProgram.run(["key", "new"])
        let second = try await CommandLineProgram.run(["key", "new"])
        #expect(first.ending == .exited(0))
        #expect(first.output.utf8.count == 45 && first.output.hasSuffix("=\n"))
        #expect(first.output != second.output)
    }

    @Test("a key's file is its owner's alone, whatever the umask, and never overwritten")
    func file() async throws {
        let folder = try TemporaryFolder()
        let path = "\(folder.path)/key"
        let made = try await CommandLineProgram.run(["key", "new", "--output", path])
        #expect(made.ending == .exited(0), "\(made.errors)")
        let key = CommandLineProgram.read(path)
        #expect(key.utf8.count == 45)
        #expect(!made.output.contains(key.dropLast()))
        var facts = stat()
        #expect(stat(path, &facts) == 0)
        #expect(facts.st_mode & 0o777 == 0o600)
        let again = try await CommandLineProgram.run(["key", "new", "--output", path])
        #expect(again.ending == .exited(1))
        #expect(again.errors.contains("keys are never overwritten"))
        #expect(CommandLineProgram.read(path) == key)
    }
}
