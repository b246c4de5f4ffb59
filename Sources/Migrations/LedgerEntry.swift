import Postgres

/// One row of `monitoring.schema_migrations`.
package struct LedgerEntry: Sendable, Equatable {
    package let version: String
    package let name: String
    package let checksum: String
    package let appliedAt: String
    package let appliedBy: String
    package let durationMilliseconds: String?
    package let toolVersion: String
    package let isBreaking: Bool
}

/// Reads and writes the ledger.
enum Ledger {
    /// Every row by version; empty when the ledger does not exist yet.
    static func entries(_ connection: PostgresConnection) async throws(PostgresError) -> [LedgerEntry] {
        let exists = try await connection.query("select to_regclass('monitoring.schema_migrations') is not null")
        guard exists.scalar == "t" else { return [] }
        let rows = try await connection.query(
            """
            select version, name, checksum, applied_at, applied_by, round(duration_ms::numeric, 1) as duration_ms,
                tool_version, is_breaking
            from monitoring.schema_migrations
            order by version
            """)
        var entries: [LedgerEntry] = []
        for row in rows {
            entries.append(
                LedgerEntry(
                    version: try row.decode("version"), name: try row.decode("name"),
                    checksum: try row.decode("checksum"), appliedAt: try row.decode("applied_at"),
                    appliedBy: try row.decode("applied_by"), durationMilliseconds: row["duration_ms"],
                    toolVersion: try row.decode("tool_version"), isBreaking: row["is_breaking"] == "t"))
        }
        return entries
    }

    /// Takes out the row of a migration; called in the transaction that undid it.
    static func remove(_ migration: MigrationFile, _ connection: PostgresConnection) async throws(PostgresError) {
        _ = try await connection.query(
            "delete from monitoring.schema_migrations where version = $1", [migration.version])
    }

    /// Records a migration; called in the transaction that applied it.
    static func record(
        _ migration: MigrationFile, note: String, duration: Duration, toolVersion: String,
        _ connection: PostgresConnection
    ) async throws(PostgresError) {
        _ = try await connection.query(
            """
            insert into monitoring.schema_migrations
                (version, name, checksum, description, duration_ms, tool_version, is_breaking, rollback_sql)
            values ($1, $2, $3, $4, $5::double precision, $6, $7::boolean, $8)
            """,
            [
                migration.version, migration.name, migration.file.checksum, migration.description + note,
                String(duration / .milliseconds(1)), toolVersion, migration.isBreaking ? "true" : "false",
                migration.rollbackText,
            ])
    }
}
