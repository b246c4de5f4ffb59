import Postgres
import TestSupport
import Testing

@testable import Migrations

@Suite("Reloading functions, views and the rest")
struct ReloadTests {
    private static let one = "create or replace function monitoring.one() returns integer language sql as 'select 1';\n"

    @Test("files load in whatever order they need: a view on a view, a function on a view")
    func passes() async throws {
        let folder = try SQLFolder([
            "views/a.sql": "create or replace view monitoring.a as select n from monitoring.b;",
            "views/b.sql": "create or replace view monitoring.b as select monitoring.one() as n;",
            "functions/x/a.sql":
                "create or replace function monitoring.all_a() returns setof monitoring.a language sql as 'select * from monitoring.a';",
            "functions/x/one.sql": Self.one,
            "policies/p.sql": "alter table monitoring.schema_migrations enable row level security;",
            "grants.sql": "grant select on monitoring.a to monitoring_reader;",
        ])
        try await TestDatabase.withDatabase(.empty) { database in
            let outcome = try await Installation.migrator(database, folder.source).up()
            #expect(outcome.reloaded == 6)
            #expect(try await Installation.scalar(database, "select n from monitoring.all_a()") == "1")
            let mayRead = "select has_table_privilege('monitoring_reader', 'monitoring.a', 'select')"
            #expect(try await Installation.scalar(database, mayRead) == "t")
        }
    }

    @Test("a right that a release withdrew is gone after the upgrade, as in a fresh install")
    func withdrawnRight() async throws {
        try await TestDatabase.withDatabase { database in
            let connection = try await database.connect()
            try await connection.execute(
                """
                grant select, update (value) on monitoring.samples to monitoring_reader;
                grant execute on function monitoring.set_setting(text, text) to monitoring_reader;
                delete from monitoring_internal.reloaded_objects where path = 'grants.sql';
                """)
            let outcome = try await Installation.migrator(database, .embedded).up()
            #expect(outcome.reloaded != nil)
            let left = try await connection.query(
                """
                select has_any_column_privilege('monitoring_reader', 'monitoring.samples', 'select, update')
                    or has_function_privilege('monitoring_reader', 'monitoring.set_setting(text, text)', 'execute'),
                    has_table_privilege('monitoring_reader', 'monitoring.metric_samples', 'select')
                """)
            await connection.close()
            #expect(left.first?[0] == "f")
            #expect(left.first?[1] == "t", "and what the release grants is there")
        }
    }

    @Test("a collector whose file is gone is forgotten, so that a renamed file finds its metrics free")
    func forgottenCollector() async throws {
        try await TestDatabase.withDatabase { database in
            let connection = try await database.connect()
            try await connection.execute(
                """
                update monitoring.collectors set name = 'renamed_meanwhile' where name = 'wraparound';
                insert into monitoring_internal.collector_statements (collector_id, query, fingerprint)
                select collector_id, query, 'of an older release' from monitoring.collector_queries limit 1
                on conflict do nothing;
                delete from monitoring_internal.reloaded_objects where path = 'grants.sql';
                """)
            _ = try await Installation.migrator(database, .embedded).up()
            let left = try await connection.query(
                """
                select string_agg(name, ' ' order by name) filter (where name ~ 'wrap|renamed'),
                    (select count(*) from monitoring_internal.collector_statements)
                from monitoring.collectors
                """)
            await connection.close()
            #expect(left.first?[0] == "wraparound")
            #expect(left.first?[1] == "0", "statements found by the functions of before are found again")
        }
    }

    @Test("a reload that fails leaves the old functions in force, and names file and line")
    func failure() async throws {
        let folder = try SQLFolder(["functions/x/one.sql": Self.one])
        try await TestDatabase.withDatabase(.empty) { database in
            let migrator = Installation.migrator(database, folder.source)
            _ = try await migrator.up()
            try folder.write("functions/x/one.sql", Self.one.replacing("1'", with: "2'"))
            try folder.write("views/bad.sql", "-- bad\ncreate or replace view monitoring.bad as\nselect nothing;")
            let fault = try await Installation.fault { _ = try await migrator.up() }
            #expect(fault?.message.contains("views/bad.sql:3: column \"nothing\" does not exist") == true)
            #expect(try await Installation.scalar(database, "select monitoring.one()") == "1")
            folder.remove("views/bad.sql")
            #expect(try await migrator.up().reloaded == 1)
            #expect(try await Installation.scalar(database, "select monitoring.one()") == "2")
        }
    }

    @Test("a body that does not compile is found although bodies load unchecked")
    func brokenBody() async throws {
        let folder = try SQLFolder([
            "functions/x/a.sql":
                "create function monitoring.a() returns void language plpgsql as $$ begin selec 1; end $$;",
            "functions/x/b.sql":
                "create function monitoring.b() returns integer language sql as 'select n from monitoring.nowhere';",
        ])
        try await TestDatabase.withDatabase(.empty) { database in
            let fault = try await Installation.fault {
                _ = try await Installation.migrator(database, folder.source).up()
            }
            #expect(fault?.message.hasPrefix("2 function(s) do not compile: monitoring.a(): ") == true)
            #expect(fault?.message.contains("monitoring.b(): relation \"monitoring.nowhere\" does not exist") == true)
            #expect(try await Installation.scalar(database, "select to_regproc('monitoring.a') is null") == "t")
        }
    }

    @Test("a function that vanished from the files is dropped, unless something depends on it or it was never ours")
    func vanished() async throws {
        let folder = try SQLFolder([
            "functions/x/one.sql": Self.one + Self.one.replacing("one", with: "two"),
            "functions/x/three.sql": "select 1;",
        ])
        try await TestDatabase.withDatabase(.empty) { database in
            let migrator = Installation.migrator(database, folder.source)
            _ = try await migrator.up()
            try await Installation.withConnection(database) { connection in
                try await connection.execute(Self.one.replacing("one", with: "mine"))
                try await connection.execute("create view public.board as select monitoring.two()")
            }
            folder.remove("functions/x/one.sql")
            #expect(try await migrator.status().changedFiles == ["functions/x/one.sql (gone)"])
            #expect(try await migrator.status().strayFunctions == ["monitoring.mine()"])
            let outcome = try await migrator.up()
            #expect(outcome.dropped == ["monitoring.one()"])
            #expect(outcome.kept == ["monitoring.two()"])
            let verification = try await migrator.verify()
            #expect(verification.strayFunctions == ["monitoring.mine()", "monitoring.two()"])
            #expect(verification.findings.isEmpty)
        }
    }

    @Test("an old overload goes, so that calls are not ambiguous")
    func overload() async throws {
        let folder = try SQLFolder(["functions/x/one.sql": Self.one])
        try await TestDatabase.withDatabase(.empty) { database in
            let migrator = Installation.migrator(database, folder.source)
            _ = try await migrator.up()
            try folder.write("functions/x/one.sql", Self.one.replacing("one()", with: "one(n integer default 1)"))
            #expect(try await migrator.up().dropped == ["monitoring.one()"])
            #expect(try await Installation.scalar(database, "select monitoring.one()") == "1")
        }
    }

    @Test(
        "verify finds what was changed by hand, and a reload puts code back",
        arguments: [
            (
                "create or replace function monitoring.system_tenant_id() returns uuid language sql immutable as 'select gen_random_uuid()'",
                "function monitoring.system_tenant_id()", true
            ),
            ("drop policy tenants_select on monitoring.tenants", "policy", true),
            (
                "alter table monitoring.tenants drop column display_name cascade",
                "column monitoring.tenants.display_name", false
            ),
            ("drop index monitoring.tenants_is_system_idx", "index monitoring.tenants_is_system_idx", false),
        ])
    func drift(change: String, object: String, isCode: Bool) async throws {
        try await TestDatabase.withDatabase { database in
            let migrator = Installation.migrator(database)
            _ = try await migrator.up()
            #expect(try await migrator.verify().findings.isEmpty)
            try await Installation.withConnection(database) { connection in
                let policies =
                    "select policyname from pg_policies where schemaname = 'monitoring' and tablename = 'tenants' limit 1"
                let policy = try #require(try await connection.query(policies).scalar)
                try await connection.execute(change.replacing("tenants_select", with: "\"\(policy)\""))
            }
            let findings = try await migrator.verify().findings
            #expect(findings.contains { $0.message.hasPrefix(object) }, "\(findings)")
            #expect(findings.allSatisfy { $0.kind == .changed || $0.kind == .missing })
            guard isCode else { return }
            var options = Installation.options
            options.reloadsAlways = true
            _ = try await Installation.migrator(database, .embedded, options).up()
            #expect(try await migrator.verify().findings.isEmpty)
        }
    }

    @Test("a function whose owner was changed is found, and what gives it back is said")
    func foreignOwner() async throws {
        try await TestDatabase.withDatabase { database in
            var options = Installation.options
            options.reloadsAlways = true
            let migrator = Installation.migrator(database, .embedded, options)
            _ = try await migrator.up()
            try await Installation.withConnection(database) {
                try await $0.execute("alter function monitoring.system_tenant_id() owner to postgres")
            }
            let findings = try await migrator.verify().findings
            #expect(findings.map(\.message) == ["function monitoring.system_tenant_id() is not as migrate left it"])
            let fault = try await Installation.fault { _ = try await migrator.up() }
            #expect(fault?.kind == .insufficientRights)
            #expect(fault?.remedy.contains("owner to monitoring_owner") == true)
        }
    }

    @Test("collectors go to their loader by name and text")
    func collectors() async throws {
        let folder = try SQLFolder([
            "migrations/0002_seen.sql": "create table monitoring.seen (name text, source text);",
            "functions/x/load.sql": """
            create or replace function monitoring_internal.load_collector(p_name text, p_source text)
            returns void language sql as 'insert into monitoring.seen values (p_name, p_source)';
            """, "collectors/locks.sql": "-- every: 10s\r\nselect 'it''s';\r\n",
        ])
        try await TestDatabase.withDatabase(.empty) { database in
            _ = try await Installation.migrator(database, folder.source).up()
            let seen = "select name || ':' || source from monitoring.seen"
            #expect(try await Installation.scalar(database, seen) == "locks:-- every: 10s\nselect 'it''s';\n")
        }
    }
}

extension String {
    /// The text with every occurrence of a part replaced.
    fileprivate func replacing(_ part: String, with other: String) -> String {
        var out = ""
        var rest = self[...]
        while !rest.isEmpty {
            if rest.hasPrefix(part) {
                out += other
                rest = rest.dropFirst(part.count)
            } else {
                out.append(rest.removeFirst())
            }
        }
        return out
    }
}
