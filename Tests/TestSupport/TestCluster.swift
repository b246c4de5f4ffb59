package import EmbeddedPostgres
import Postgres
import Runtime
import Testing

/// Clusters for tests: one that all tests of the process share, and private ones for tests that break things.
package enum TestCluster {
    /// The cluster that all tests of this process share; it is started by the first that asks.
    ///
    /// - Throws: what starting it threw, to every caller.
    package static func shared() async throws -> EmbeddedCluster { try await SharedCluster.instance.cluster() }

    /// Runs `body` with a cluster of its own, which it may restart, kill and freeze.
    ///
    /// - Throws: what `body` or starting the cluster throws.
    package static func withCluster<R>(
        _ options: EmbeddedCluster.Options = EmbeddedCluster.Options(),
        _ body: @escaping (EmbeddedCluster) async throws -> R
    ) async throws -> R {
        let cluster = try await EmbeddedCluster.start(kept(options))
        do {
            let result = try await withServerLog(of: cluster) { try await body(cluster) }
            await cluster.stop()
            return result
        } catch {
            await cluster.stop()
            throw error
        }
    }

    /// The name of the migrated database that a cluster made by `migrated` has.
    package static let migratedDatabase = TemplateBuilder.migrated

    /// Options for a cluster that has a migrated database.
    ///
    /// It is a copy of one that is made once, since to migrate takes seconds and a copy a moment. The database is `migratedDatabase`, until `nameMigrated` gives it another name.
    ///
    /// - Throws: what making the first one threw, to every caller.
    package static func migrated(
        _ options: EmbeddedCluster.Options = EmbeddedCluster.Options()
    ) async throws -> EmbeddedCluster.Options {
        var options = options
        options.origin = .twin(of: try await SharedCluster.instance.migrated())
        return options
    }

    /// Gives the migrated database of a cluster made by `migrated` this name.
    ///
    /// - Throws: what the server said.
    package static func nameMigrated(_ name: String, in cluster: EmbeddedCluster) async throws {
        let admin = try await PostgresConnection.connect(cluster.configuration())
        try await admin.execute(
            "alter database \(TemplateBuilder.migrated) rename to \(PostgresConnection.quotedIdentifier(name))")
        await admin.close()
    }

    /// Runs `body` with a database of pgvigil in a cluster of its own, for tests that kill servers.
    ///
    /// - Throws: what `body` or starting the cluster throws.
    package static func withDatabase<R>(_ body: @escaping (Database) async throws -> R) async throws -> R {
        try await withCluster(try await migrated()) { cluster in
            try await body(Database(name: migratedDatabase, cluster: cluster))
        }
    }

    /// Whether PGVIGIL_KEEP asks to leave folders and databases behind.
    package static var keeps: Bool { ProcessEnvironment.variables()["PGVIGIL_KEEP"] == "1" }

    static func kept(_ options: EmbeddedCluster.Options) -> EmbeddedCluster.Options {
        var options = options
        options.keepsDirectory = options.keepsDirectory || keeps
        return options
    }

    /// Adds the end of the server's log, and all that a server said, to every failure in `body`.
    static func withServerLog<R>(of cluster: EmbeddedCluster, _ body: @escaping () async throws -> R) async throws -> R
    {
        do {
            guard let test = Test.current else { return try await body() }
            let trait = IssueHandlingTrait.compactMapIssues { issue in
                var issue = issue
                issue.comments.append("The end of the server's log:\n\(cluster.logTail())")
                return issue
            }
            return try await trait.around(test, body)
        } catch let error as PostgresError {
            throw FailureOnServer(error: error, logTail: cluster.logTail())
        }
    }
}

/// An error of a server that ended a test, with all that the server said.
struct FailureOnServer: Error, CustomStringConvertible {
    let error: PostgresError
    let logTail: String

    var description: String { "\(error.debugDescription)\nThe end of the server's log:\n\(logTail)" }
}

extension IssueHandlingTrait {
    /// A value carried into a scope that runs once, while its owner waits.
    private final class Carried<Value>: @unchecked Sendable {  // Proof: the scope runs while the owner awaits it.
        var value: Value
        init(_ value: Value) { self.value = value }
    }

    /// Runs `body` in this trait's scope.
    fileprivate func around<R>(_ test: Test, _ body: @escaping () async throws -> R) async throws -> R {
        // The scope runs `body` once, while this function does nothing but wait for it.
        nonisolated(unsafe) let body = body
        let outcome = Carried<Result<R, any Error>>(.failure(CancellationError()))
        try await provideScope(for: test, testCase: Test.Case.current) {
            do {
                outcome.value = .success(try await body())
            } catch {
                outcome.value = .failure(error)
            }
        }
        return try outcome.value.get()
    }
}

/// Holds the process's cluster and its templates, each made once.
actor SharedCluster {
    static let instance = SharedCluster()

    private var starting: Task<EmbeddedCluster, any Error>?
    private var migrating: Task<EmbeddedCluster, any Error>?
    private var templates: [TestDatabase.Template: Task<String, any Error>] = [:]

    func cluster() async throws -> EmbeddedCluster {
        // Across the await only the task is shared, and it is set before the first suspension.
        let task = starting ?? Task { try await EmbeddedCluster.start(TestCluster.kept(EmbeddedCluster.Options())) }
        starting = task
        return try await task.value
    }

    /// A stopped cluster with a migrated database, to be copied.
    func migrated() async throws -> EmbeddedCluster {
        let task =
            migrating
            ?? Task {
                let cluster = try await EmbeddedCluster.start()
                _ = try await TemplateBuilder(cluster: cluster).make(.migrated)
                try await cluster.stopServer()
                return cluster
            }
        migrating = task
        return try await task.value
    }

    /// The name of the template database, made when first asked for.
    func template(_ template: TestDatabase.Template) async throws -> String {
        let task =
            templates[template]
            ?? Task {
                let cluster = try await self.cluster()
                return try await TemplateBuilder(cluster: cluster).make(template)
            }
        templates[template] = task
        return try await task.value
    }
}
