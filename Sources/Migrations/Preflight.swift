import Postgres

/// What must be so before anything is changed.
enum Preflight {
    /// The oldest server that is supported.
    static let oldestServer = 150_000

    /// Checks the server and the way to it.
    /// - Throws: `MigrationFault` of kind serverUnfit or poolerBetween.
    static func check(_ connection: PostgresConnection) async throws {
        try check(serverVersion: connection.serverVersion)
        let row = try await connection.query(
            "select pg_backend_pid() as pid, pg_is_in_recovery() as is_standby, current_database() as database"
        ).single()
        let pid: Int = try row.decode("pid")
        guard pid == Int(connection.backendPID) else {
            throw MigrationFault.poolerBetween(
                "the server process that answers is not the one that greeted us")
        }
        guard row["is_standby"] != "t" else {
            throw MigrationFault(
                .serverUnfit, "this server is a standby and takes no changes",
                remedy: "connect to the primary, for instance with target_session_attrs=read-write")
        }
        try checkDatabase(name: row["database"] ?? "")
    }

    /// - Throws: `MigrationFault` of kind serverUnfit for a server that is too old.
    static func check(serverVersion: Int) throws(MigrationFault) {
        guard serverVersion < oldestServer else { return }
        throw MigrationFault(
            .serverUnfit,
            "the server is PostgreSQL \(serverVersion / 10_000), pgvigil needs \(oldestServer / 10_000) or newer",
            remedy: "upgrade the server, or run pgvigil in a newer one and watch this one as a target")
    }

    private static func checkDatabase(name: String) throws(MigrationFault) {
        guard name == "template0" || name == "template1" else { return }
        throw MigrationFault(
            .serverUnfit, "\(name) is a template: every new database would inherit pgvigil",
            remedy: "connect to a database of its own, for instance with PGDATABASE=monitoring")
    }

    /// Turns a refusal to read into the grant that is missing.
    /// - Throws: `MigrationFault` of kind insufficientRights, or what `body` throws.
    static func readable<R>(_ connection: PostgresConnection, _ body: () async throws -> R) async throws -> R {
        do {
            return try await body()
        } catch let error as PostgresError where error.sqlState == "42501" {
            let role = try await connection.query("select quote_ident(session_user)").scalar ?? "the role"
            throw MigrationFault(
                .insufficientRights, "\(error.message) for role \(role)",
                remedy: "let the role that installed pgvigil, or a superuser, run: grant monitoring_owner to \(role); "
                    + "or, to look only: grant monitoring_admin to \(role);")
        }
    }

    /// Checks that the connecting role may act as the owner of what is there.
    /// - Throws: `MigrationFault` of kind insufficientRights with the statement that grants what is missing.
    static func checkOwner(_ connection: PostgresConnection) async throws {
        let needed = connection.serverVersion >= 160_000 ? "SET" : "MEMBER"
        let row = try await connection.query(
            """
            select quote_ident(session_user) as role,
                pg_has_role(session_user, role.oid, '\(needed)') as may
            from pg_catalog.pg_roles as role
            where role.rolname = 'monitoring_owner'
            """
        ).first
        guard let row, row["may"] != "t" else { return }
        let role = row["role"] ?? "?"
        throw MigrationFault(
            .insufficientRights, "role \(role) may not act as monitoring_owner, which owns what is to be changed",
            remedy: "let the role that installed pgvigil, or a superuser, run: grant monitoring_owner to \(role);")
    }
}
