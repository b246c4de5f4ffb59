import EmbeddedPostgres
import Glibc
import Postgres
import TestSupport
import Testing

@testable import Migrations

@Suite("Who may install")
struct RightsTests {
    @Test("no superuser is needed: CREATEROLE and CREATE on the database do, and what lacks is said as a grant")
    func installer() async throws {
        try await TestCluster.withCluster { cluster in
            let admin = try await PostgresConnection.connect(cluster.configuration())
            try await admin.execute("create role installer login createrole; create role weak login")
            for name in ["first", "second", "third"] { try await cluster.createDatabase(name) }
            try await admin.execute("grant create on database first, second to installer")
            try await admin.execute("grant create on database third to weak")
            func up(_ database: String, as role: String) async throws -> Migrator.Outcome {
                try await Migrator(
                    database: cluster.configuration(database: database, user: role), options: Installation.options
                ).up()
            }
            let noRoles = try await Installation.fault { _ = try await up("third", as: "weak") }
            #expect(noRoles?.kind == .insufficientRights)
            #expect(noRoles?.message.contains("SQLSTATE PV006") == true)
            #expect(noRoles?.remedy.contains("alter role weak createrole") == true)
            let noCreate = try await Installation.fault { _ = try await up("third", as: "installer") }
            #expect(noCreate?.kind == .insufficientRights)
            #expect(noCreate?.remedy.contains("grant create on database third to installer;") == true)
            #expect(!(try await up("first", as: "installer").applied.isEmpty))
            #expect(try await up("first", as: "installer").changedNothing)
            #expect(!(try await up("second", as: "installer").applied.isEmpty))
            let noMember = try await Installation.fault { _ = try await up("first", as: "weak") }
            #expect(noMember?.kind == .insufficientRights)
            #expect(noMember?.remedy.contains("grant monitoring_owner to weak;") == true)
            try await admin.execute("grant monitoring_owner to weak")
            #expect(try await up("first", as: "weak").changedNothing)
            await admin.close()
        }
    }

    @Test("a schema of our name that somebody else owns is left alone")
    func foreignSchema() async throws {
        try await TestDatabase.withDatabase(.empty) { database in
            try await Installation.withConnection(database) {
                try await $0.execute("create schema monitoring; create table monitoring.theirs ()")
            }
            let fault = try await Installation.fault { _ = try await Installation.migrator(database).up() }
            #expect(fault?.message.contains("SQLSTATE PV007") == true)
            #expect(try await Installation.scalar(database, "select to_regclass('monitoring.theirs') is null") == "f")
        }
    }

    @Test("a standby is refused before anything is tried")
    func standby() async throws {
        try await TestCluster.withCluster { cluster in
            let signal = try #require(fopen("\(cluster.directory)/data/standby.signal", "w"))
            fclose(signal)
            try await cluster.restart()
            let fault = try await Installation.fault {
                _ = try await Migrator(database: cluster.configuration(), options: Installation.options).up()
            }
            #expect(fault?.kind == .serverUnfit)
            #expect(fault?.message == "this server is a standby and takes no changes")
        }
    }

    @Test("a template database is refused before anything is changed")
    func unfit() async throws {
        try await TestCluster.withCluster { cluster in
            let template = try await Installation.fault {
                _ = try await Migrator(
                    database: cluster.configuration(database: "template1"), options: Installation.options
                ).up()
            }
            #expect(template?.kind == .serverUnfit)
            #expect(template?.message.hasPrefix("template1 is a template") == true)
        }
    }
}
