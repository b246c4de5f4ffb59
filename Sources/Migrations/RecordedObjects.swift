import Postgres

/// What the last reload left in `monitoring_internal.reloaded_objects`.
///
/// A row per file with its checksum, and a row `live:KIND NAME` per object with a digest of its definition, by which
/// `verify` sees what was changed by hand since.
struct RecordedObjects: Sendable {
    private static let livePrefix = "live:"
    /// The digests hold only for the major version that printed the definitions.
    private static let serverPath = "live:server"

    let files: [String: String]
    /// Digest by `KIND NAME`.
    let objects: [String: String]
    private let server: String?

    static func read(_ connection: PostgresConnection) async throws(PostgresError) -> RecordedObjects {
        var files: [String: String] = [:]
        var objects: [String: String] = [:]
        var server: String?
        for row in try await connection.query("select path, checksum from monitoring_internal.reloaded_objects") {
            let path: String = try row.decode("path")
            if path == serverPath {
                server = row["checksum"]
            } else if path.hasPrefix(livePrefix) {
                objects[String(path.dropFirst(livePrefix.count))] = row["checksum"]
            } else {
                files[path] = row["checksum"]
            }
        }
        return RecordedObjects(files: files, objects: objects, server: server)
    }

    /// Replaces the record; called at the end of the reload's transaction.
    static func write(
        _ own: [SQLFile], except stray: Set<String>, _ connection: PostgresConnection
    ) async throws(PostgresError) {
        try await connection.execute("delete from monitoring_internal.reloaded_objects")
        var paths = own.map(\.path) + [serverPath]
        var checksums = own.map(\.checksum) + [major(connection.serverVersion)]
        for object in try await Catalog.objects(connection) where Catalog.isWatched(object.kind) {
            if object.kind == "function", stray.contains(object.name) { continue }
            paths.append("\(livePrefix)\(object.kind) \(object.name)")
            checksums.append(object.digest)
        }
        _ = try await connection.query(
            """
            insert into monitoring_internal.reloaded_objects (path, checksum)
            select record.path, record.checksum
            from unnest($1::text[], $2::text[]) as record (path, checksum)
            """, [arrayLiteral(paths), arrayLiteral(checksums)])
    }

    /// Whether a reload of these files would change nothing.
    func matches(_ own: [SQLFile], serverVersion: Int) -> Bool {
        files == Dictionary(own.map { ($0.path, $0.checksum) }) { first, _ in first } && isComparable(serverVersion)
    }

    /// Whether the digests were taken on this major version.
    func isComparable(_ serverVersion: Int) -> Bool { server == Self.major(serverVersion) }

    func holdsRoutine(_ signature: String) -> Bool { objects["function \(signature)"] != nil }

    private static func major(_ serverVersion: Int) -> String { String(serverVersion / 10_000) }

    /// A text array as PostgreSQL reads it.
    static func arrayLiteral(_ values: [String]) -> String {
        let quoted = values.map { value in
            "\"" + value.map { $0 == "\"" || $0 == "\\" ? "\\\($0)" : String($0) }.joined() + "\""
        }
        return "{" + quoted.joined(separator: ",") + "}"
    }
}
