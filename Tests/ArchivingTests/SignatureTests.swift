import Runtime
import Testing

@testable import Archiving

/// Signatures of requests against the examples that Amazon publishes, and how buckets are addressed.
@Suite struct SignatureTests {
    private static let signature = RequestSignature(
        credentials: BucketCredentials(
            accessKey: "AKIAIOSFODNN7EXAMPLE",
            secretKey: SecretBytes(Array("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY".utf8))),
        region: "us-east-1")
    private static let host = (name: "host", value: "examplebucket.s3.amazonaws.com")
    private static let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

    private static func signed(_ request: RequestSignature.Request) -> String? {
        signature.headers(of: request, time: "20130524T000000Z")
            .first { $0.name == "authorization" }?.value.split(separator: "=").last.map { String($0) }
    }

    @Test("the published examples of signed requests come out to the last digit")
    func published() {
        let get = RequestSignature.Request(
            method: "GET", path: "/test.txt", headers: [Self.host, ("range", "bytes=0-9")], bodySHA256: Self.empty)
        #expect(Self.signed(get) == "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41")
        let put = RequestSignature.Request(
            method: "PUT", path: "/test$file.text",
            headers: [
                Self.host, ("date", "Fri, 24 May 2013 00:00:00 GMT"), ("x-amz-storage-class", "REDUCED_REDUNDANCY"),
            ], bodySHA256: Digest.hex(of: Array("Welcome to Amazon S3.".utf8)))
        #expect(Self.signed(put) == "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd")
        let lifecycle = RequestSignature.Request(
            method: "GET", path: "/", query: [("lifecycle", "")], headers: [Self.host], bodySHA256: Self.empty)
        #expect(Self.signed(lifecycle) == "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543")
        let list = RequestSignature.Request(
            method: "GET", path: "/", query: [("max-keys", "2"), ("prefix", "J")], headers: [Self.host],
            bodySHA256: Self.empty)
        #expect(Self.signed(list) == "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7")
    }

    @Test("a bucket is addressed by path at an endpoint of one's own and by host at Amazon's")
    func addresses() throws {
        let file = try TestFolder()
        let credentials = try file.write(
            "[default]\naws_access_key_id = AKIA\naws_secret_access_key = geheim+/=\n", to: "credentials", mode: 0o600)
        for (endpoint, style, url) in [
            ("http://127.0.0.1:9000", nil, "http://127.0.0.1:9000 /box/deep/er/a.gz"),
            ("http://127.0.0.1:9000/", "host", "http://box.127.0.0.1:9000 /deep/er/a.gz"),
            (nil, nil, "https://box.s3.eu-west-3.amazonaws.com /deep/er/a.gz"),
            (nil, "path", "https://s3.eu-west-3.amazonaws.com /box/deep/er/a.gz"),
        ] as [(String?, String?, String)] {
            let settings = try ArchiveSettings(
                target: "s3://box/deep/er/", endpoint: endpoint, region: "eu-west-3", style: style,
                credentialsFile: credentials, environment: [:])
            let place = try #require(try settings.place() as? BucketPlace)
            #expect(place.location("a.gz").base + " " + place.location("a.gz").path == url)
            #expect(place.destination == "s3://box/deep/er")
            #expect(place.credentials.accessKey == "AKIA")
        }
    }

    @Test("settings and credentials that cannot be right are refused with the remedy, and never with the secret")
    func refusals() throws {
        let folder = try TestFolder()
        let open = try folder.write("aws_access_key_id=a\naws_secret_access_key=hush", to: "open", mode: 0o644)
        let hollow = try folder.write("hush", to: "hollow", mode: 0o600)
        for (target, endpoint, style, file, words) in [
            ("s3://", nil, nil, nil, "a bucket is named"), ("s3://a b", nil, nil, nil, "a bucket is named"),
            ("s3://a", "ftp://x", nil, nil, "the endpoint"), ("s3://a", "https://u@x", nil, nil, "the endpoint"),
            ("s3://a", nil, "wide", nil, "path or host"), ("s3://a", nil, nil, nil, "AWS_ACCESS_KEY_ID"),
            ("s3://a", nil, nil, open, "chmod 600"), ("s3://a", nil, nil, hollow, "holds no credentials"),
            (nil, nil, nil, nil, "--archive"),
        ] as [(String?, String?, String?, String?, String)] {
            let fault = #expect(throws: ArchiveFault.self) {
                _ = try ArchiveSettings(
                    target: target, endpoint: endpoint, style: style, credentialsFile: file, environment: [:]
                ).place()
            }
            #expect(fault?.description.contains(words) == true, "\(fault?.description ?? "")")
            #expect(fault?.description.contains("hush") == false)
        }
    }
}
