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

    @Test("a signature is taken for the bytes, the id and the time that were signed, and for minutes")
    func checked() throws {
        let key = try #require(WebhookSignature.Key(Self.secret.utf8))
        let body = Array("{}".utf8)
        let signature = try #require(
            WebhookSignature.headers(id: "msg_1", timestamp: 1000, body: body, keys: [key]).last?.value)
        func isValid(
            _ signature: String, _ body: [UInt8], id: String = "msg_1", timestamp: String = "1000", now: Int64 = 1000
        ) -> Bool {
            WebhookSignature.isValid(
                id: id, timestamp: timestamp, signature: signature, body: body, keys: [key], now: now)
        }
        #expect(isValid(signature, body))
        #expect(isValid("v1,AAAA \(signature)", body, now: 1300), "one of several, as while a secret is rotated")
        #expect(!isValid(signature, body + [32]))
        #expect(!isValid(signature, body, id: "msg_2"))
        #expect(!isValid(signature, body, timestamp: "1001"))
        #expect(!isValid(signature, body, now: 1301), "what was recorded and is sent again later is refused")
        #expect(!isValid("", body))
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
