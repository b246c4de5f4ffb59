package import Postgres

/// One object of ours as the catalogue describes it.
package struct CatalogObject: Sendable, Hashable, Comparable {
    /// Such as relation, column, constraint, index, function, policy, trigger or type.
    package let kind: String
    package let name: String
    /// SHA-256 of the definition, without rights and comments.
    package let digest: String
    /// Definition, rights and comment in words: what two databases are compared by.
    package let details: String

    package static func < (left: CatalogObject, right: CatalogObject) -> Bool {
        (left.kind, left.name) < (right.kind, right.name)
    }
}

/// Reads the catalogue of our schemas.
package enum Catalog {
    /// Every object, sorted; partitions made for a time are left out, since they come and go.
    package static func objects(_ connection: PostgresConnection) async throws(PostgresError) -> [CatalogObject] {
        var objects: [CatalogObject] = []
        for part in CatalogQueries.all {
            for row in try await connection.query(CatalogQueries.complete(part)) {
                objects.append(
                    CatalogObject(
                        kind: try row.decode("kind"), name: try row.decode("name"), digest: try row.decode("digest"),
                        details: try row.decode("details")))
            }
        }
        return objects.sorted()
    }

    /// What differs between two databases, one line each; empty when they are the same.
    package static func differences(_ left: [CatalogObject], _ right: [CatalogObject]) -> [String] {
        let (before, after) = (Set(left), Set(right))
        let lines =
            before.subtracting(after).map { "- \($0.kind) \($0.name): \($0.details)" }
            + after.subtracting(before).map { "+ \($0.kind) \($0.name): \($0.details)" }
        return lines.sorted { $0.dropFirst(2) < $1.dropFirst(2) }
    }

    /// The kinds whose definition a reload or migration alone may change.
    static let watched: Set<String> = [
        "function", "view", "policy", "trigger", "column", "constraint", "index", "relation", "type",
    ]

    /// Whether a reload records the digest of such an object.
    static func isWatched(_ kind: String) -> Bool { watched.contains(kind) }
}
