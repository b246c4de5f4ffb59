import Testing

@testable import Migrations

@Suite("Cutting SQL into statements")
struct StatementSplitterTests {
    @Test(
        "statements end at semicolons that are nothing else's",
        arguments: [
            ("", []),
            ("-- only a comment;\n/* and; another /* nested; */ one; */", []),
            ("select 1", ["select 1"]),
            ("select 1; select 2;", ["select 1", "select 2"]),
            ("select ';' ; select 'it''s;' ;", ["select ';'", "select 'it''s;'"]),
            (#"select E'a\';b'; select 1"#, [#"select E'a\';b'"#, "select 1"]),
            (#"select "a;""b"; select 1"#, [#"select "a;""b""#, "select 1"]),
            (#"select 'back\'; select 1"#, [#"select 'back\'"#, "select 1"]),
            ("do $$ begin; end $$; select 1", ["do $$ begin; end $$", "select 1"]),
            ("select $a$ $b$ ; $$ ; $a$; select $1", ["select $a$ $b$ ; $$ ; $a$", "select $1"]),
            ("select a$b; select c$d;", ["select a$b", "select c$d"]),
            (
                "create rule r as on insert to t do (select 1; select 2); select 3",
                ["create rule r as on insert to t do (select 1; select 2)", "select 3"]
            ),
            ("select 1 -- tail;\n; select 2", ["select 1 -- tail;", "select 2"]),
            (
                "create or replace function f() returns int language sql begin atomic select 1; select case when true then 2 end; end; select 3",
                [
                    "create or replace function f() returns int language sql begin atomic select 1; select case when true then 2 end; end",
                    "select 3",
                ]
            ),
        ] as [(String, [String])])
    func splits(text: String, expected: [String]) {
        #expect(StatementSplitter.statements(of: text).map(\.text) == expected)
    }

    @Test("a statement knows the line it starts on, past the comments before it")
    func lines() {
        let text = "-- one\n\nselect 1;\n/* four\n five */ select\n 2;\nselect $$\n\n$$; select 4"
        #expect(StatementSplitter.statements(of: text).map(\.line) == [3, 5, 7, 9])
    }

    @Test("every file of ours is cut into statements that end where the file does")
    func ownFiles() throws {
        for file in try SQLSource.embedded.files() where !file.path.hasPrefix("collectors/") {
            let statements = StatementSplitter.statements(of: file.text)
            let rest = statements.last.flatMap { last in
                file.text.range(of: last.text).map { file.text[$0.upperBound...] }
            }
            #expect(rest?.contains(";") == true, "\(file.path) does not end with a semicolon")
            #expect(statements.allSatisfy { !$0.text.isEmpty && $0.line > 0 })
        }
    }
}

extension String {
    /// The last place where `text` stands; the standard library alone has no search.
    fileprivate func range(of text: String) -> Range<Index>? {
        var start = index(endIndex, offsetBy: -text.count, limitedBy: startIndex)
        while let from = start {
            if self[from...].hasPrefix(text) { return from..<index(from, offsetBy: text.count) }
            start = from > startIndex ? index(before: from) : nil
        }
        return nil
    }
}
