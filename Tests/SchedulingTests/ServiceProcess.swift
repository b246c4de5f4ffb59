import EmbeddedPostgres
import Glibc
import Runtime
import Testing

/// The built `pgvigil serve` as a process of its own, which tests kill and freeze.
struct ServiceProcess {
    let child: ChildProcess

    /// The program beside the test bundle.
    static func program() throws -> String {
        let arguments = CommandLine.arguments
        let bundle = arguments.firstIndex(of: "--test-bundle-path").map { arguments[$0 + 1] } ?? arguments[0]
        let folder = bundle.split(separator: "/").prefix { !$0.hasSuffix(".xctest") }
        let program = "/" + folder.joined(separator: "/") + "/pgvigil"
        try #require(access(program, X_OK) == 0, "\(program) is not built")
        return program
    }

    /// Starts serving a database.
    static func start(_ conninfo: String) throws -> ServiceProcess {
        let command = [
            try program(), "serve", "--dsn", conninfo, "--listen", "127.0.0.1:0", "--log-level", "error",
        ]
        return ServiceProcess(child: try ChildProcess(command, environment: [:], output: .null, errors: .null))
    }

    /// Runs `pgvigil` with these words and expects it to succeed.
    static func run(_ words: [String]) async throws {
        let child = try ChildProcess([try program()] + words, environment: [:], output: .null)
        let ending = await child.wait()
        try #require(ending == .exited(0), "pgvigil \(words.first ?? "") ended with \(ending)")
    }

    /// Ends it as the kernel does when memory runs out.
    func kill() async {
        child.signal(SIGKILL)
        _ = await child.wait()
    }

    /// Ends it politely.
    func stop() async -> ChildProcess.Ending {
        child.signal(SIGTERM)
        return await child.wait()
    }
}

/// Chance that comes out the same for the same seed.
struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    /// SplitMix64.
    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}
