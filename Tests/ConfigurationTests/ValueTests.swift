import Testing

@testable import Configuration

@Suite("values as people write them")
struct ValueTests {
    @Test(
        "durations are read and written",
        arguments: [
            ("250ms", Duration.milliseconds(250), "250ms"), ("30s", .seconds(30), "30s"),
            ("90s", .seconds(90), "1m30s"),
            ("5m", .seconds(300), "5m"), ("2h", .seconds(7_200), "2h"), ("1d", .seconds(86_400), "1d"),
            ("1h30m", .seconds(5_400), "1h30m"), ("1d2h3m4s5ms", .milliseconds(93_784_005), "1d2h3m4s5ms"),
            ("0s", .zero, "0s"), ("0ms", .zero, "0s"), ("007s", .seconds(7), "7s"),
        ] as [(String, Duration, String)])
    func readsDurations(_ text: String, _ duration: Duration, _ canonical: String) {
        #expect(DurationText.parse(text) == duration)
        #expect(DurationText.format(duration) == canonical)
        #expect(DurationText.parse(canonical) == duration)
    }

    @Test(
        "what is no duration is refused",
        arguments: [
            "", "30", "s", "30 s", "1.5s", "-5s", "+5s", "5S", "5m1h", "5s5s", "5ms5s", "1w", "1234567890s", "٣s",
            "5s ",
        ])
    func refusesDurations(_ text: String) { #expect(DurationText.parse(text) == nil) }

    @Test(
        "sizes are read",
        arguments: [
            ("512B", 512), ("64kB", 65_536), ("16MB", 16_777_216), ("1GB", 1_073_741_824), ("2TB", 2_199_023_255_552),
        ])
    func readsSizes(_ text: String, _ bytes: Int) { #expect(ByteCount(text) == ByteCount(bytes: bytes)) }

    @Test(
        "what is no size is refused",
        arguments: ["", "64", "kB", "64KB", "64 kB", "-1kB", "1.5MB", "9999999999TB", "99999999999999999999B"])
    func refusesSizes(_ text: String) { #expect(ByteCount(text) == nil) }

    @Test(
        "addresses are read and written",
        arguments: [
            ("127.0.0.1:9877", "127.0.0.1", 9877), ("localhost:80", "localhost", 80), (":9877", "", 9877),
            ("[::1]:9877", "::1", 9877), ("[fe80::1%eth0]:0", "fe80::1%eth0", 0),
            ("[::ffff:10.0.0.1]:65535", "::ffff:10.0.0.1", 65_535),
            ("db-1.example.org:443", "db-1.example.org", 443),
        ] as [(String, String, UInt16)])
    func readsAddresses(_ text: String, _ host: String, _ port: UInt16) {
        let address = ListenAddress(text)
        #expect(address == ListenAddress(host: host, port: port))
        #expect(address?.description == text)
    }

    @Test(
        "what is no address is refused",
        arguments: [
            "", "9877", "localhost", "localhost:", "localhost:x", "localhost:65536", "localhost:-1", "localhost:+80",
            "::1:9877",
            "[::1]", "[::1]9877", "[localhost]:80", "[::1%]:80", "[]:80", "a b:80", "http://x:80", "hö:80", "x:٣",
        ])
    func refusesAddresses(_ text: String) { #expect(ListenAddress(text) == nil) }

    @Test(
        "a misspelt word leads to the one that was meant",
        arguments: [("timeuot", "timeout"), ("Schedule", "schedule"), ("overlp", "overlap"), ("tiemout", "timeout")])
    func suggests(_ word: String, _ meant: String) {
        #expect(Spelling.nearest(to: word, among: ["schedule", "timeout", "overlap"]) == meant)
    }

    @Test("a word that is nothing like any other leads nowhere")
    func suggestsNothing() {
        #expect(Spelling.nearest(to: "colour", among: ["schedule", "timeout"]) == nil)
        #expect(Spelling.nearest(to: String(repeating: "x", count: 100_000), among: ["x"]) == nil)
        #expect(Spelling.hint(for: "colour", among: []) == "")
        #expect(Spelling.hint(for: "colour", among: ["a", "b"]) == ", expected one of a, b")
    }
}
