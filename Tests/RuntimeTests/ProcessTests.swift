import Glibc
import Runtime
import Testing

@Suite struct ProcessTests {
    @Test func `a program's output and status are told`() async throws {
        let report = try await ChildProcess.run(
            ["sh", "-c", "echo $GREETING; pwd; echo oops >&2; exit 3"],
            environment: ["PATH": "/bin:/usr/bin", "GREETING": "hello"], directory: "/usr")
        #expect(report.output == "hello\n/usr\noops\n")
        #expect(report.ending == .exited(3))
        #expect(!report.isSuccess)
    }

    @Test func `a signal ends a program, and its end is told by the signal`() async throws {
        let child = try ChildProcess(["sleep", "600"], environment: ["PATH": "/bin:/usr/bin"])
        #expect(child.ending == nil)
        child.signal(SIGTERM)
        #expect(await child.wait() == .killed(SIGTERM))
        child.signal(SIGTERM)
        #expect(child.ending == .killed(SIGTERM))
    }

    @Test func `a program that does not exist is an error with its name`() async {
        let error = #expect(throws: ChildProcess.StartFailure.self) {
            try ChildProcess(["/no/such/program"], environment: [:])
        }
        #expect(error?.description == "cannot start /no/such/program: No such file or directory")
    }

    @Test func `output far beyond a pipe's buffer arrives whole`() async throws {
        let report = try await ChildProcess.run(
            ["head", "-c", "3000000", "/dev/zero"], environment: ["PATH": "/bin:/usr/bin"])
        #expect(report.output.utf8.count == 3_000_000)
    }

    @Test func `a child starts with no signal blocked although ours are`() async throws {
        let status = await withCheckedContinuation { (continuation: CheckedContinuation<ChildProcess?, Never>) in
            do {
                try OSThread.start(name: "blocked") {
                    Signals.block()
                    continuation.resume(
                        returning: try? ChildProcess(["sleep", "600"], environment: ["PATH": "/bin:/usr/bin"]))
                }
            } catch {
                continuation.resume(returning: nil)
            }
        }
        let child = try #require(status)
        child.signal(SIGTERM)
        #expect(await child.wait() == .killed(SIGTERM))
    }

    @Test(arguments: [(SIGHUP, Signals.Request.reload), (SIGTERM, .stop), (SIGINT, .stop)])
    func `a held back signal becomes a request`(number: Int32, expected: Signals.Request) async {
        let request = await withCheckedContinuation { (continuation: CheckedContinuation<Signals.Request?, Never>) in
            do {
                try OSThread.start(name: "signals") {
                    Signals.block()
                    pthread_kill(pthread_self(), number)
                    continuation.resume(returning: Signals.next())
                }
            } catch {
                continuation.resume(returning: nil)
            }
        }
        #expect(request == expected)
    }

    @Test(arguments: [false, true])
    func `the service manager hears what is said`(isAbstract: Bool) throws {
        let path = (isAbstract ? "@" : "/tmp/") + "pgvigil-notify-\(getpid())-\(isAbstract)"
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { bytes in
            bytes.copyBytes(from: Array(path.utf8))
            if isAbstract { bytes[0] = 0 }
        }
        let socket = Glibc.socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue), 0)
        defer {
            close(socket)
            unlink(path)
        }
        let length = socklen_t(MemoryLayout<sa_family_t>.size + path.utf8.count)
        let bound = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(socket, $0, length) }
        }
        try #require(bound == 0)
        #expect(ServiceManager(address: path).notify(.status("two\nlines")))
        #expect(ServiceManager(address: path).notify(.ready))
        let messages = (1...2).map { _ in
            var buffer = [UInt8](repeating: 0, count: 256)
            let count = recv(socket, &buffer, buffer.count, 0)
            return String(decoding: buffer.prefix(max(0, count)), as: UTF8.self)
        }
        #expect(messages == ["STATUS=two lines", "READY=1"])
        #expect(!ServiceManager(address: nil).notify(.ready))
        #expect(!ServiceManager(address: "/no/such/socket").notify(.ready))
    }
}
