import Glibc
import Runtime
import Testing

@Suite struct LogTests {
    @Test func `a line is one JSON object with time, level, event and fields`() throws {
        let lines = Lock([String]())
        let log = Log { bytes in lines.withLock { $0.append(String(decoding: bytes, as: UTF8.self)) } }
        log.warning("it \"happened\"", ["path": "C:\\x", "text": "two\nlines\ttab \u{1}", "ü": "é"])
        let line = try #require(lines.withLock { $0.first })
        #expect(line.hasPrefix(#"{"ts":"20"#))
        let rest = try #require(line.firstRange(of: #"Z","level":"#)).lowerBound
        #expect(
            line[rest...]
                == #"Z","level":"warning","event":"it \"happened\"","path":"C:\\x","text":"two\nlines\ttab \u0001","ü":"é"}"#
                + "\n")
    }

    @Test func `lines below the level are dropped`() {
        let count = Lock(0)
        let log = Log(level: .warning) { _ in count.withLock { $0 += 1 } }
        log.debug("a")
        log.info("b")
        log.warning("c")
        log.error("d")
        #expect(count.withLock { $0 } == 2)
        #expect(Log.Level(name: "warning") == .warning)
        #expect(Log.Level(name: "loud") == nil)
    }

    @Test(arguments: ["x", "é", "\u{1}", "👩‍👩‍👧"]) func `a line with long values is shortened`(text: String) throws {
        let lines = Lock([[UInt8]]())
        let log = Log { bytes in lines.withLock { $0.append(bytes) } }
        log.error(
            "long", ["a": String(repeating: text, count: 5000), "b": "short", "c": String(repeating: "y", count: 5000)])
        let bytes = try #require(lines.withLock { $0.first })
        #expect(bytes.count <= LineWriter.lineLimit)
        let line = try #require(String(validating: bytes, as: UTF8.self), "no character is cut in two")
        #expect(line.contains(#"…","b":"short","c":"yyyy"#) && line.hasSuffix("y…\"}\n"))
    }

    @Test func `a reader that stopped stops nobody and is told later what it missed`() throws {
        var ends: [Int32] = [-1, -1]
        try #require(pipe(&ends) == 0)
        let (reader, writer) = (ends[0], ends[1])
        // F_SETPIPE_SZ, which the Glibc module leaves out.
        try #require(fcntl(writer, 1031, 16384) >= 0)
        let lines = LineWriter(descriptor: writer)
        let log = Log { lines.write($0) }
        let isDone = Lock(false)
        try OSThread.start(name: "logging") {
            for number in 0..<1000 { log.info("line", ["number": "\(number)"]) }
            isDone.withLock { $0 = true }
        }
        let deadline = Monotonic.now() + .seconds(10)
        while !isDone.withLock({ $0 }), Monotonic.now() < deadline { usleep(1000) }
        // With a thread still in write the pipe is not closed below it.
        try #require(isDone.withLock { $0 }, "logging waits for the reader")
        defer { ends.forEach { close($0) } }
        let kept = Self.drain(reader)
        #expect(kept.count > 10 && kept.count < 1000)
        #expect(kept.allSatisfy { $0.hasPrefix("{") && $0.hasSuffix("}") })
        log.info("after")
        log.info("last")
        let later = Self.drain(reader)
        try #require(later.count == 3)
        #expect(later[0].hasSuffix(#""level":"warning","event":"log lines lost","count":"\#(1000 - kept.count)"}"#))
        #expect(later[1].hasSuffix(#""event":"after"}"#) && later[2].hasSuffix(#""event":"last"}"#))
    }

    /// The lines that lie in a pipe.
    private static func drain(_ descriptor: Int32) -> [Substring] {
        var text: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 65536)
        var state = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        while poll(&state, 1, 0) == 1 {
            let count = read(descriptor, &buffer, buffer.count)
            guard count > 0 else { break }
            text += buffer[..<count]
        }
        return String(decoding: text, as: UTF8.self).split(separator: "\n")
    }

    @Test func `text is for people and priorities are for the journal`() throws {
        let lines = Lock([String]())
        let log = Log(level: .debug, format: .text, hasPriorities: true) { bytes in
            lines.withLock { $0.append(String(decoding: bytes, as: UTF8.self)) }
        }
        log.debug("a")
        log.info("job applied", ["job": "x", "error": "two \"words\"", "empty": "", "line": "a\nb"])
        log.warning("c")
        log.error("d")
        let written = lines.withLock { $0 }
        #expect(written.map { $0.prefix(3) } == ["<7>", "<6>", "<4>", "<3>"])
        let second = try #require(written.dropFirst().first)
        let rest = try #require(second.firstRange(of: "Z info")).lowerBound
        #expect(
            second[rest...]
                == #"Z info    job applied job=x error="two \"words\"" empty="" line="a\nb""# + "\n")
        #expect(!Journal.isStandardError(environment: [:]))
        #expect(!Journal.isStandardError(environment: ["JOURNAL_STREAM": "1:1"]))
        var status = stat()
        fstat(2, &status)
        #expect(Journal.isStandardError(environment: ["JOURNAL_STREAM": "\(status.st_dev):\(status.st_ino)"]))
    }
}
