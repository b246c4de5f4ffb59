import Glibc
import Runtime

/// The programs of one installed PostgreSQL server.
package struct ServerBinaries: Sendable, Equatable {
    /// The folder that holds `postgres`, `initdb`, `pg_ctl` and `psql`.
    package let directory: String
    /// Such as 15.
    package let majorVersion: Int
    /// The whole version as the server tells it.
    package let version: String

    /// The variable that picks the folder.
    package static let variable = "PGVIGIL_PG_BIN"
    private static let root = "/usr/lib/postgresql"
    private static let favourite = "/usr/lib/postgresql/15/bin"

    /// Finds the server: what PGVIGIL_PG_BIN names, else version 15, else the newest installed.
    ///
    /// - Throws: an error that says what is missing and how to get it.
    package static func find(
        environment: [String: String] = ProcessEnvironment.variables()
    ) async throws(EmbeddedPostgresError) -> ServerBinaries {
        if let named = environment[variable], !named.isEmpty {
            guard let found = await inspect(named) else {
                throw EmbeddedPostgresError(
                    "\(variable)=\(named) holds no PostgreSQL server",
                    remedy: "Set it to a folder with postgres, initdb and pg_ctl, such as \(favourite).")
            }
            return found
        }
        for candidate in [favourite] + installed() {
            if let found = await inspect(candidate) { return found }
        }
        throw EmbeddedPostgresError(
            "no PostgreSQL server found in \(root)",
            remedy: "Install one (apt-get install postgresql-15), or set \(variable) to the folder of its programs.")
    }

    /// The path of one program.
    package func path(_ program: String) -> String { "\(directory)/\(program)" }

    private static func inspect(_ directory: String) async -> ServerBinaries? {
        guard ["postgres", "initdb", "pg_ctl"].allSatisfy({ access("\(directory)/\($0)", X_OK) == 0 }),
            let report = try? await ChildProcess.run(["\(directory)/postgres", "--version"], environment: [:]),
            report.isSuccess
        else { return nil }
        // postgres (PostgreSQL) 15.20 (Debian 15.20-0+deb12u1)
        let words = report.output.split { $0.isWhitespace }
        guard words.count >= 3, let major = Int(words[2].prefix { $0.isNumber }) else { return nil }
        return ServerBinaries(
            directory: directory, majorVersion: major, version: words.dropFirst(2).joined(separator: " "))
    }

    /// The folders of all packaged servers, newest first.
    private static func installed() -> [String] {
        guard let folder = opendir(root) else { return [] }
        defer { closedir(folder) }
        var versions: [Int] = []
        while let entry = readdir(folder) {
            let name = withUnsafeBytes(of: entry.pointee.d_name) {
                String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
            }
            if let version = Int(name) { versions.append(version) }
        }
        return versions.sorted(by: >).map { "\(root)/\($0)/bin" }
    }
}
