import Testing

@testable import Delivery

/// Signatures as receivers check them.
@Suite struct WebhookSignatureTests {
    private static let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

    @Test("the specification's example gives the specification's signature")
    func example() throws {
        let key = try #require(WebhookSignature.Key(Self.secret.utf8))
        let headers = WebhookSignature.headers(
            id: "msg_p5jXN8AQM9LWM0D4loKWxJek", timestamp: 1_614_265_330, body: Array(#"{"test": 2432232314}"#.utf8),
            keys: [key])
        #expect(headers.map(\.name) == ["webhook-id", "webhook-timestamp", "webhook-signature"])
        #expect(
            headers.map(\.value) == [
                "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
            ])
    }

    @Test("while a secret is rotated both keys sign")
    func rotation() throws {
        let old = try #require(WebhookSignature.Key(Self.secret.utf8))
        let new = try #require(WebhookSignature.Key("whsec_\(String(repeating: "A", count: 32))".utf8))
        let both = WebhookSignature.headers(id: "msg_1", timestamp: 1, body: [], keys: [new, old])
        let one = WebhookSignature.headers(id: "msg_1", timestamp: 1, body: [], keys: [old])
        let entries = try #require(both.last).value.split(separator: " ")
        #expect(entries.count == 2)
        #expect(entries.last.map(String.init) == one.last?.value)
        #expect(entries.first != entries.last)
    }

    @Test(
        "what is no secret of 24 to 64 bytes in base64 is refused",
        arguments: [
            "", "whsec_", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_AAAA", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaS",
            "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLa!!", "whsec_\(String(repeating: "A", count: 88))",
        ])
    func malformed(_ text: String) {
        #expect(WebhookSignature.Key(text.utf8) == nil)
    }
}
