import Postgres

extension Migrator {
    /// A table whose rows are lost.
    package struct Loss: Sendable, Equatable {
        /// With its schema.
        package let table: String
        package let rows: Int
        /// Whether `rows` is the planner's estimate: the table is too large to be counted.
        package let isEstimate: Bool
    }

    /// One migration that `down` would undo.
    package struct PlannedUndo: Sendable {
        package let rollback: Rollback
        /// Tables that go.
        package let dropped: [Loss]
        /// Tables of which rows go.
        package let thinned: [String]
    }

    /// What `down` would do.
    package struct DownPlan: Sendable {
        /// Newest first.
        package let undone: [PlannedUndo]
        /// Functions, views, policies and triggers that go, until an `up` loads them again.
        package let codeCount: Int
        /// Sessions of pgvigil's services in this database, which would fail from then on.
        package let services: Int
    }

    /// Says what `down` would do and what would be lost; changes nothing.
    /// - Throws: `MigrationFault` for whatever would stop `down`.
    package func downPlan(_ target: RollbackTarget) async throws -> DownPlan {
        let migrations = try MigrationFile.all(in: try files())
        return try await withSession { session in
            let rollbacks = try await rollbacks(target, migrations, session)
            if !rollbacks.isEmpty { try await Preflight.checkOwner(session.connection) }
            var undone: [PlannedUndo] = []
            for rollback in rollbacks {
                let losses = rollback.losses
                var dropped: [Loss] = []
                for table in losses.dropped {
                    if let loss = try await Self.loss(of: table, session.connection) { dropped.append(loss) }
                }
                undone.append(PlannedUndo(rollback: rollback, dropped: dropped, thinned: losses.thinned))
            }
            let services = try await session.connection.query(
                """
                select count(*) from pg_catalog.pg_stat_activity
                where datname = current_database() and pid <> pg_backend_pid()
                    and application_name in ('pgvigil scheduler', 'pgvigil collector', 'pgvigil exporter')
                """)
            return DownPlan(
                undone: undone, codeCount: rollbacks.isEmpty ? 0 : try await LoadedCode.count(session.connection),
                services: services.scalar.flatMap { Int($0) } ?? 0)
        }
    }

    /// Undoes migrations, newest first, each in a transaction of its own; functions and views go with the first one.
    ///
    /// - Returns: the names of those undone, newest first.
    /// - Throws: `MigrationFault`, or `PostgresError` when the connection is not there or breaks.
    package func down(_ target: RollbackTarget) async throws -> [String] {
        let migrations = try MigrationFile.all(in: try files())
        return try await withSession { session in
            let lock = try await takeLock(session)
            let rollbacks = try await rollbacks(target, migrations, session)
            if !rollbacks.isEmpty { try await Preflight.checkOwner(session.connection) }
            for (index, rollback) in rollbacks.enumerated() {
                session.onEvent(
                    .applying(name: rollback.down.name, index: index + 1, count: rollbacks.count))
                try await RollbackRun(session: session, rollback: rollback, dropsCode: index == 0).run()
            }
            try await lock.release()
            return rollbacks.map(\.migration.name)
        }
    }

    private func rollbacks(
        _ target: RollbackTarget, _ migrations: [MigrationFile], _ session: MigrationSession
    ) async throws -> [Rollback] {
        let entries = try await Preflight.readable(session.connection) { try await Ledger.entries(session.connection) }
        return try Rollback.selection(target, files: migrations, entries: entries)
    }

    /// Counts a table's rows, or estimates them beyond 64 MB; nil when there is no such table.
    private static func loss(of table: String, _ connection: PostgresConnection) async throws -> Loss? {
        let size = try await connection.query(
            """
            select coalesce(sum(pg_catalog.pg_relation_size(part.oid)), 0)::bigint as bytes,
                coalesce(sum(greatest(part.reltuples, 0)), 0)::bigint as estimate
            from pg_catalog.pg_class as part
            where part.oid = to_regclass($1)
                or part.oid in (select tree.relid from pg_catalog.pg_partition_tree(to_regclass($1)) as tree)
            having count(*) > 0
            """, [table]
        ).first
        guard let size, let bytes = size["bytes"].flatMap({ Int($0) }) else { return nil }
        guard bytes < 64 * 1024 * 1024 else {
            return Loss(table: table, rows: size["estimate"].flatMap { Int($0) } ?? 0, isEstimate: true)
        }
        try await connection.execute("set role monitoring_owner")
        let rows = try await connection.query("select count(*) from \(table)").scalar.flatMap { Int($0) }
        try await connection.execute("reset role")
        return Loss(table: table, rows: rows ?? 0, isEstimate: false)
    }
}
