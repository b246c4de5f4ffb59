import Postgres

/// The functions, views, policies and triggers that the last reload loaded.
enum LoadedCode {
    private struct Item {
        let name: String
        let statement: String
    }

    /// Names are those by which a reload records what it left; partitions' copies go with their parents'.
    private static let present = """
        with ours as (
            select schema.oid
            from pg_catalog.pg_namespace as schema
            where schema.nspname in ('monitoring', 'monitoring_internal', 'monitoring_partitions')
        )
        select 'policy ' || entry.polrelid::regclass::text || '.' || quote_ident(entry.polname) as name,
            format('drop policy %I on %s', entry.polname, entry.polrelid::regclass) as statement, 1 as place
        from pg_catalog.pg_policy as entry
        join pg_catalog.pg_class as relation on relation.oid = entry.polrelid
        join ours on ours.oid = relation.relnamespace
        union all
        select 'trigger ' || entry.tgrelid::regclass::text || '.' || quote_ident(entry.tgname),
            format('drop trigger %I on %s', entry.tgname, entry.tgrelid::regclass), 1
        from pg_catalog.pg_trigger as entry
        join pg_catalog.pg_class as relation on relation.oid = entry.tgrelid
        join ours on ours.oid = relation.relnamespace
        where not entry.tgisinternal and entry.tgparentid = 0
        union all
        select 'view ' || relation.oid::regclass::text, format('drop view %s', relation.oid::regclass), 2
        from pg_catalog.pg_class as relation
        join ours on ours.oid = relation.relnamespace
        where relation.relkind = 'v'
        union all
        select 'function ' || routine.oid::regprocedure::text, format('drop routine %s', routine.oid::regprocedure), 3
        from pg_catalog.pg_proc as routine
        join ours on ours.oid = routine.pronamespace
        where not exists (
            select from pg_catalog.pg_depend as link
            where link.classid = 'pg_proc'::regclass and link.objid = routine.oid and link.deptype = 'e')
        order by 3, 1
        """

    /// How many objects `drop` would drop; read only.
    static func count(_ connection: PostgresConnection) async throws -> Int { try await items(connection).count }

    /// Drops all of them, and the record of them, so that the next `up` loads its own; part of a transaction.
    ///
    /// What a body of a function needs is written nowhere in the catalogue: so all go, not only what seems to depend.
    /// - Throws: `MigrationFault` when something of the user's depends on one.
    static func drop(_ connection: PostgresConnection) async throws {
        var waiting = try await items(connection)
        while !waiting.isEmpty {
            var later: [Item] = []
            var refusal: PostgresError?
            for item in waiting {
                try await connection.execute("savepoint code")
                do throws(PostgresError) {
                    try await connection.execute(item.statement)
                } catch {
                    guard error.sqlState == "2BP01" else { throw error }
                    try await connection.execute("rollback to savepoint code")
                    later.append(item)
                    refusal = error
                }
                try await connection.execute("release savepoint code")
            }
            if later.count == waiting.count, let refusal { throw MigrationFault.stillUsed(refusal) }
            waiting = later
        }
        try await connection.execute("delete from monitoring_internal.reloaded_objects")
    }

    private static func items(_ connection: PostgresConnection) async throws -> [Item] {
        let exists = try await connection.query(
            "select to_regclass('monitoring_internal.reloaded_objects') is not null")
        guard exists.scalar == "t" else { return [] }
        let recorded = try await RecordedObjects.read(connection).objects
        return try await connection.query(present).compactMap { row in
            guard let name = row["name"], let statement = row["statement"], recorded[name] != nil else { return nil }
            return Item(name: name, statement: statement)
        }
    }
}

extension MigrationFault {
    static func stillUsed(_ refusal: PostgresError) -> MigrationFault {
        let detail = refusal.detail.map { ": \($0)" } ?? ""
        let line = (refusal.message + detail).split(whereSeparator: \.isNewline).joined(separator: "; ")
        return MigrationFault(
            .failed, line, remedy: "nothing was undone; drop or change what depends on it, and run again")
    }
}
