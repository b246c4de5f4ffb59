import Glibc
import Testing

@testable import Configuration

@Suite("reading a configuration file")
struct ConfigurationFileTests {
    /// A directory of its own, gone afterwards.
    private func withDirectory(_ body: (String) throws -> Void) throws {
        var template = Array("/tmp/pgvigil-configuration-XXXXXX".utf8CString)
        let directory = try #require(mkdtemp(&template).map { String(cString: $0) })
        defer {
            for name in ["jobs.yml", "pipe"] { unlink("\(directory)/\(name)") }
            rmdir(directory)
        }
        try body(directory)
    }

    private func write(_ text: String, to path: String) throws {
        let file = try #require(fopen(path, "w"))
        fputs(text, file)
        fclose(file)
    }

    @Test("a file is read with its time of modification, to the nanosecond")
    func readsFile() throws {
        try withDirectory { directory in
            let path = "\(directory)/jobs.yml"
            try write("version: 1\njobs: []\n", to: path)
            let times = [timespec(tv_sec: 0, tv_nsec: 0), timespec(tv_sec: 1_700_000_000, tv_nsec: 123_456_789)]
            #expect(utimensat(AT_FDCWD, path, times, 0) == 0)
            let file = try JobsFile.load(path: path)
            #expect(file.generation == 1_700_000_000_123_456_789)
            #expect(file.path == path)
        }
    }

    @Test("what is no readable file of sensible size is refused")
    func refusesOthers() throws {
        try withDirectory { directory in
            #expect(
                refusal(of: "\(directory)/none") == "\(directory)/none: cannot be opened: No such file or directory")
            #expect(refusal(of: directory) == "\(directory): not a regular file")
            let pipe = "\(directory)/pipe"
            #expect(mkfifo(pipe, 0o600) == 0)
            #expect(refusal(of: pipe) == "\(pipe): not a regular file")
            let large = "\(directory)/jobs.yml"
            try write("", to: large)
            #expect(truncate(large, 5 << 20) == 0)
            #expect(refusal(of: large) == "\(large): larger than 4 MB")
        }
    }

    private func refusal(of path: String) -> String? {
        do throws(ConfigurationError) {
            _ = try JobsFile.load(path: path)
            return nil
        } catch {
            return error.description
        }
    }

    @Test(
        "a file of any time can be read, and an explicit generation outranks all of them",
        arguments: [(-5, 0), (0, 0), (10_413_792_000, 0), (Int64.max, Int64(999_999_999))] as [(Int64, Int64)])
    func anyTime(seconds: Int64, fraction: Int64) {
        let generation = ConfigurationFile.nanoseconds(seconds, fraction)
        #expect(generation >= 0)
        #expect(generation < JobsFile.explicitGenerationBase)
    }

    @Test("later times are later generations")
    func order() {
        #expect(ConfigurationFile.nanoseconds(1_800_000_000, 7) == 1_800_000_000_000_000_007)
        #expect(ConfigurationFile.nanoseconds(1_800_000_000, 7) < ConfigurationFile.nanoseconds(1_800_000_001, 0))
    }
}
