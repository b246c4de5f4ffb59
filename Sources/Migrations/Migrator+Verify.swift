import Postgres

extension Migrator {
    /// One way in which a database is not what this binary would make of it.
    package struct Finding: Sendable, Equatable {
        /// What sort of difference.
        package enum Kind: String, Sendable {
            case ledger
            case pending
            case file
            case changed
            case missing
            case invalidIndex = "invalid index"
            case notComparable = "not comparable"
        }

        package let kind: Kind
        /// One line.
        package let message: String
        package let remedy: String
    }

    /// What `verify` found.
    package struct Verification: Sendable {
        package let findings: [Finding]
        /// Functions in our schemas that no file names; they do no harm by themselves.
        package let strayFunctions: [String]
        /// How many objects were compared with what the last reload left.
        package let comparedObjects: Int
    }

    /// Compares ledger, files and live objects; changes nothing.
    package func verify() async throws -> Verification {
        let files = try files()
        return try await withSession { session in
            let comparison = try await compared(session, files)
            let record = try await record(session)
            var findings = comparison.faults.map { Finding(kind: .ledger, message: $0.message, remedy: $0.remedy) }
            let remedy = "run pgvigil migrate up"
            findings += comparison.pending.map {
                Finding(kind: .pending, message: "\($0.file.path) is not applied", remedy: remedy)
            }
            findings += Self.changes(files, record).map {
                Finding(kind: .file, message: "\($0) since the last reload", remedy: remedy)
            }
            if let record, !record.files.isEmpty { findings += try await Self.drift(session.connection, record) }
            findings += try await Self.invalidIndexes(session.connection)
            return Verification(
                findings: findings, strayFunctions: try await Self.strayFunctions(session, record),
                comparedObjects: record?.objects.count ?? 0)
        }
    }

    /// Objects that were changed or dropped by hand since the last reload.
    private static func drift(
        _ connection: PostgresConnection, _ record: RecordedObjects
    ) async throws -> [Finding] {
        let remedy = "pgvigil migrate up --reload puts it back"
        guard record.isComparable(connection.serverVersion) else {
            return [
                Finding(
                    kind: .notComparable, message: "the server's major version changed since the last reload",
                    remedy: "run pgvigil migrate up once on the new server")
            ]
        }
        let live = Dictionary(
            try await Catalog.objects(connection).map { ("\($0.kind) \($0.name)", $0.digest) }
        ) { first, _ in first }
        return record.objects.sorted { $0.key < $1.key }.compactMap { name, digest in
            guard let present = live[name] else {
                return Finding(kind: .missing, message: "\(name) is gone", remedy: restoring(name, remedy))
            }
            guard present != digest else { return nil }
            return Finding(
                kind: .changed, message: "\(name) is not as migrate left it", remedy: restoring(name, remedy))
        }
    }

    /// A reload brings code back; tables and their parts are for a person to mend.
    private static func restoring(_ name: String, _ reload: String) -> String {
        let isCode = ["function ", "view ", "policy ", "trigger "].contains { name.hasPrefix($0) }
        return isCode ? reload : "compare it with sql/migrations and undo the change by hand"
    }

    private static func invalidIndexes(_ connection: PostgresConnection) async throws -> [Finding] {
        let rows = try await connection.query(
            """
            select index.indexrelid::regclass::text as name
            from pg_catalog.pg_index as index
            join pg_catalog.pg_class as relation on relation.oid = index.indexrelid
            join pg_catalog.pg_namespace as schema on schema.oid = relation.relnamespace
            where schema.nspname in ('monitoring', 'monitoring_internal', 'monitoring_partitions')
                and not index.indisvalid
            order by 1
            """)
        return rows.map { row in
            let name = row["name"] ?? ""
            return Finding(
                kind: .invalidIndex, message: "index \(name) is invalid: an interrupted build left it",
                remedy: "run: reindex index concurrently \(name);")
        }
    }
}
