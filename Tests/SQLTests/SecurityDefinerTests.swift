import Foundation
import Postgres
import TestSupport
import Testing

/// docs/security.md lists who may act beyond their own rights, and through which function: nobody else, no other.
@Suite struct SecurityDefinerTests {
    private static let page = URL(fileURLWithPath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        .appending(path: "docs/security.md")

    @Test func thePageListsEverySecurityDefinerFunctionWithItsCallers() async throws {
        let text = try String(contentsOf: Self.page, encoding: .utf8)
        let listed = text.split(separator: "\n").map(String.init).filter { $0.hasPrefix("| `monitoring") }
        let actual = try await TestDatabase.withDatabase { database in
            let connection = try await database.connect()
            let rows = try await connection.query(Self.definers)
            await connection.close()
            return rows.compactMap { $0["line"] }
        }
        #expect(!actual.isEmpty)
        let missing = actual.filter { !listed.contains($0) }.joined(separator: "\n")
        #expect(missing.isEmpty, "not on the page, or with other callers:\n\(missing)")
        let surplus = listed.filter { !actual.contains($0) }.joined(separator: "\n")
        #expect(surplus.isEmpty, "on the page only:\n\(surplus)")
    }

    private static let definers = """
        select format(
            '| `%s.%s` | %s |', n.nspname, p.proname,
            coalesce(string_agg(distinct replace(a.grantee::regrole::text, 'monitoring_', ''), ', ')
                filter (where a.grantee <> p.proowner), 'triggers and functions of its own')) as line
        from pg_catalog.pg_proc as p
        inner join pg_catalog.pg_namespace as n on n.oid = p.pronamespace
        cross join aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) as a
        where n.nspname in ('monitoring', 'monitoring_internal') and p.prosecdef
        group by n.nspname, p.proname
        order by 1
        """
}
