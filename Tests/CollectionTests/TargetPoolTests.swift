import Postgres
import Runtime
import Testing

@testable import Collection

/// Which sessions on targets are kept, lent and closed.
@Suite struct TargetPoolTests {
    private static let start = Monotonic.now()

    private static func access(_ database: String, target: Int = 1, means: String = "") -> TargetAccess {
        TargetAccess(targetID: target, database: database, means: means)
    }

    /// Takes a session as a worker does; opened ones are named for their number.
    private static func take(
        _ pool: inout TargetPool<String>, _ access: TargetAccess, allowed: Int = 2, opening name: String
    ) -> (session: String?, closed: [String]) {
        let (turn, closing) = pool.take(access, allowed: allowed)
        return switch turn {
        case .use(let session): (session, closing)
        case .open: (name, closing)
        case .busy: (nil, closing)
        }
    }

    @Test("a session is used again for its database, and no target has more than it allows")
    func reuse() {
        var pool = TargetPool<String>(limit: 10)
        let shop = Self.access("shop")
        #expect(Self.take(&pool, shop, opening: "a").session == "a")
        #expect(Self.take(&pool, shop, opening: "b").session == "b")
        #expect(Self.take(&pool, shop, opening: "c").session == nil)
        #expect(Self.take(&pool, Self.access("shop", target: 2), opening: "d").session == "d")
        pool.giveBack("a", shop, uses: 1, now: Self.start)
        let again = Self.take(&pool, shop, opening: "e")
        #expect(again.session == "a")
        #expect(again.closed == [])
        #expect(pool.count(of: 1) == 2)
        #expect(pool.count == 3)
    }

    @Test("a walk through a thousand databases takes two sessions, and leaves the busiest database's in place")
    func walk() {
        var pool = TargetPool<String>(limit: 10)
        let main = Self.access("main")
        #expect(Self.take(&pool, main, opening: "main").session == "main")
        pool.giveBack("main", main, uses: 40, now: Self.start)
        for number in 1...1000 {
            let access = Self.access("db\(number)")
            let taken = Self.take(&pool, access, opening: "s\(number)")
            #expect(taken.session == "s\(number)")
            #expect(taken.closed == (number == 1 ? [] : ["s\(number - 1)"]))
            pool.giveBack("s\(number)", access, uses: 1, now: Self.start + .seconds(number))
            #expect(pool.count <= 2)
        }
        #expect(Self.take(&pool, main, opening: "another").session == "main")
    }

    @Test("all targets together keep to the limit, by closing what is idle elsewhere")
    func total() {
        var pool = TargetPool<String>(limit: 3)
        for target in 1...3 {
            let access = Self.access("db", target: target)
            #expect(Self.take(&pool, access, opening: "\(target)").session == "\(target)")
            if target > 1 { pool.giveBack("\(target)", access, uses: 1, now: Self.start + .seconds(target)) }
        }
        let fourth = Self.take(&pool, Self.access("db", target: 4), opening: "4")
        #expect(fourth.session == "4")
        #expect(fourth.closed == ["2"])
        #expect(Self.take(&pool, Self.access("db", target: 5), opening: "5").closed == ["3"])
        #expect(Self.take(&pool, Self.access("db", target: 6), opening: "6").session == nil)
    }

    @Test("a new password or address closes the sessions that were opened with the old one")
    func rotated() {
        var pool = TargetPool<String>(limit: 10)
        let old = Self.access("db", means: "old")
        #expect(Self.take(&pool, old, opening: "a").session == "a")
        pool.giveBack("a", old, uses: 5, now: Self.start)
        let taken = Self.take(&pool, Self.access("db", means: "new"), opening: "b")
        #expect(taken.session == "b")
        #expect(taken.closed == ["a"])
    }

    @Test("idle sessions end, and lost ones make room")
    func idle() {
        var pool = TargetPool<String>(limit: 10)
        for (number, name) in ["a", "b"].enumerated() {
            let access = Self.access(name)
            _ = Self.take(&pool, access, opening: name)
            pool.giveBack(name, access, uses: 1, now: Self.start + .seconds(number * 60))
        }
        #expect(pool.closeIdle(since: Self.start + .seconds(30)) == ["a"])
        _ = Self.take(&pool, Self.access("c"), opening: "c")
        #expect(Self.take(&pool, Self.access("d"), opening: "d").closed == ["b"])
        pool.lose(Self.access("c"))
        #expect(Self.take(&pool, Self.access("e"), opening: "e").session == "e")
        pool.giveBack("e", Self.access("e"), uses: 1, now: Self.start)
        #expect(pool.forget(1) == ["e"])
        #expect(pool.count == 1)
    }
}

/// The parts of connecting that need no server.
@Suite struct TargetConnectorTests {
    @Test("after a silent host the list begins with the next one, hosts and ports in step")
    func hosts() throws {
        let list = try HostList("host=a,b,c port=1,2,3 user=u")
        #expect(list.count == 3)
        #expect(list.overrides(from: 0) == [:])
        #expect(list.overrides(from: 1) == ["host": "b,c,a", "port": "2,3,1"])
        #expect(try HostList("postgres://a:1,b:2/d").overrides(from: 1) == ["host": "b,a", "port": "2,1"])
        #expect(try HostList("host=a,b port=5433").overrides(from: 1) == ["host": "b,a"])
        #expect(try HostList("host=a").count == 1)
        #expect(try HostList("").count == 0)
    }

    @Test("a deadline holds even when the work looks at nothing")
    func deadline() async throws {
        let begin = Monotonic.now()
        let error = await #expect(throws: PostgresError.self) {
            try await Deadline.run(.milliseconds(50), ContinuousClock()) { () throws(PostgresError) in
                try? await ContinuousClock().sleep(for: .seconds(60))
            }
        }
        #expect(error?.kind == .timeout)
        #expect(Monotonic.now() - begin < .seconds(30))
        let value = try await Deadline.run(.seconds(60), ContinuousClock()) { () throws(PostgresError) in 42 }
        #expect(value == 42)
    }

    @Test("arrays travel as PostgreSQL writes them")
    func arrays() {
        #expect(ArrayText.text([]) == "{}")
        #expect(ArrayText.text(["a", nil, "", "NULL"]) == #"{"a",NULL,"","NULL"}"#)
        #expect(ArrayText.text([#"{"a\"b",c\\d}"#]) == #"{"{\"a\\\"b\",c\\\\d}"}"#)
    }
}
