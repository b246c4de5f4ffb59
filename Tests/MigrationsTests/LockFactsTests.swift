import Testing

@testable import Migrations

@Suite("What a plan says about locks")
struct LockFactsTests {
    private func facts(_ sql: String) -> [String] {
        var facts = LockFacts()
        return facts.facts(of: StatementSplitter.statements(of: sql)).map { "\($0.lock) on \($0.object)" }
    }

    @Test(
        "the lock of a statement is named",
        arguments: [
            ("alter table m.t add column a int;", ["ACCESS EXCLUSIVE on m.t"]),
            ("alter table only m.t validate constraint c;", ["SHARE UPDATE EXCLUSIVE on m.t"]),
            ("alter table m.t add constraint c foreign key (a) references m.u (a);", ["SHARE ROW EXCLUSIVE on m.t"]),
            ("create index i on m.t (a);", ["SHARE on m.t"]),
            ("create index concurrently if not exists i on m.t (a);", ["SHARE UPDATE EXCLUSIVE on m.t"]),
            ("drop table if exists m.t;", ["ACCESS EXCLUSIVE on m.t"]),
            ("truncate table m.t;", ["ACCESS EXCLUSIVE on m.t"]),
            ("update m.t set a = 1;", ["ROW EXCLUSIVE on m.t"]),
            ("insert into m.t values (1);", ["ROW EXCLUSIVE on m.t"]),
            ("create trigger g before update on m.t execute function f();", ["SHARE ROW EXCLUSIVE on m.t"]),
            ("create table m.p partition of m.t default;", ["ACCESS EXCLUSIVE on m.t"]),
            ("comment on table m.t is 'words';", []),
            ("create type m.e as enum ('a');", []),
        ] as [(String, [String])])
    func locks(sql: String, expected: [String]) {
        #expect(facts(sql) == expected)
    }

    @Test("what the same files create is nobody's concern")
    func created() {
        let sql =
            "create table if not exists m.t (a int); create index i on m.t (a); insert into m.t values (1); alter table m.u add b int;"
        #expect(facts(sql) == ["ACCESS EXCLUSIVE on m.u"])
    }
}
