import Testing

@testable import Delivery

/// Which addresses may be dialled.
@Suite struct AddressPolicyTests {
    private static func refusal(_ policy: AddressPolicy, _ address: String) throws -> String? {
        policy.refusal(of: try #require(Network(address), "\(address)").bytes)
    }

    @Test(
        "addresses that are not public are refused, with the kind they are",
        arguments: [
            ("0.1.2.3", "this network"), ("10.255.255.255", "private"), ("100.127.0.1", "shared by a carrier"),
            ("127.0.0.1", "loopback"), ("127.255.255.254", "loopback"), ("169.254.169.254", "link-local"),
            ("172.31.255.255", "private"), ("192.0.0.8", "protocol assignments"), ("192.0.2.1", "documentation"),
            ("192.88.99.1", "6to4 relay"), ("192.168.0.1", "private"), ("198.19.0.1", "benchmarking"),
            ("198.51.100.7", "documentation"), ("203.0.113.7", "documentation"), ("224.0.0.1", "multicast"),
            ("255.255.255.255", "reserved"), ("::", "unspecified"), ("::1", "loopback"),
            ("::7f00:1", "IPv4-compatible"),
            ("::ffff:10.0.0.1", "private"), ("::ffff:169.254.169.254", "link-local"), ("64:ff9b::a00:1", "NAT64"),
            ("64:ff9b:1::1", "NAT64"), ("100::1", "discard"), ("2001::1", "protocol assignments"),
            ("2001:db8::1", "documentation"), ("2002:a00:1::1", "6to4"), ("3fff::1", "documentation"),
            ("5f00::1", "segment routing"), ("fd12::1", "private"), ("fe80::1", "link-local"),
            ("fec0::1", "site-local"),
            ("ff02::1", "multicast"),
        ])
    func special(_ address: String, _ kind: String) throws {
        #expect(try Self.refusal(AddressPolicy(), address) == kind)
    }

    @Test(
        "public addresses are not, up to the edges of what is",
        arguments: [
            "1.1.1.1", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "126.255.255.255", "128.0.0.0",
            "172.15.255.255", "172.32.0.0", "192.167.255.255", "192.169.0.0", "198.17.255.255", "198.20.0.0",
            "223.255.255.255", "::ffff:8.8.8.8", "2606:4700::1111", "2a00:1450::1",
        ])
    func open(_ address: String) throws {
        #expect(try Self.refusal(AddressPolicy(), address) == nil)
    }

    @Test("a network that the service's configuration names is open, in IPv6 dress too, and nothing beside it")
    func exceptions() throws {
        let policy = AddressPolicy(allowing: [try #require(Network("10.1.0.0/16")), try #require(Network("::1"))])
        #expect(try Self.refusal(policy, "10.1.255.1") == nil)
        #expect(try Self.refusal(policy, "::ffff:10.1.0.1") == nil)
        #expect(try Self.refusal(policy, "::1") == nil)
        #expect(try Self.refusal(policy, "10.2.0.1") == "private")
        #expect(try Self.refusal(policy, "127.0.0.1") == "loopback")
    }

    @Test(
        "a network is an address and a length that fits it",
        arguments: [
            "", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/08", "10.0.0/8", "::/129", "fd00::/8/8", "example.com",
            "10.0.0.0/",
        ])
    func malformed(_ text: String) {
        #expect(Network(text) == nil)
    }
}
