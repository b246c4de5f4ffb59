import Configuration
import Postgres

/// The commands that read a file of jobs.
struct JobsFileCommand {
    private let invocation: Invocation

    init(_ invocation: Invocation) { self.invocation = invocation }

    /// Brings the file into force.
    func apply() async throws -> ExitStatus {
        let file = try await loadFile()
        let rows = try await apply(file, generation: file.generation, committing: true)
        try report(rows, of: file)
        for row in rows { Terminal.print("\(row["action"] ?? "") \(row["job_name"] ?? "")") }
        return .ok
    }

    /// Says what is wrong with the file, and changes nothing.
    func validate() async throws -> ExitStatus {
        let file = try await loadFile()
        if !invocation.flag("offline") {
            // As the newest generation there can be, so that every job is looked at.
            try report(try await apply(file, generation: .max, committing: false), of: file)
        }
        Terminal.print("\(file.path): \(file.jobs.count) jobs, no fault")
        return .ok
    }

    private func loadFile() async throws -> JobsFile {
        do {
            return try JobsFile.load(path: invocation.operands.first ?? "jobs.yml")
        } catch {
            let database = invocation.flag("offline") ? nil : invocation.database()
            throw refusal(await Self.allFaults(of: error, database))
        }
    }

    /// The file's own faults and those that the database, if it can be reached, finds in what could be read.
    static func allFaults(
        of error: ConfigurationError, _ database: PostgresConfiguration?
    ) async -> [ConfigurationFault] {
        guard let file = error.readable, let database,
            let rows = try? await apply(file, generation: .max, committing: false, to: database)
        else { return error.faults }
        let found = faults(in: rows.filter { $0["job_name"] != nil }, of: file)
        return (error.faults + found).sorted { ($0.mark ?? .start) < ($1.mark ?? .start) }
    }

    private func apply(_ file: JobsFile, generation: Int64, committing: Bool) async throws -> PostgresRows {
        try await Self.apply(file, generation: generation, committing: committing, to: invocation.database())
    }

    private static func apply(
        _ file: JobsFile, generation: Int64, committing: Bool, to database: PostgresConfiguration
    ) async throws -> PostgresRows {
        let connection = try await PostgresConnection.connect(database)
        try await connection.execute("begin")
        let rows = try await connection.query(
            "select * from monitoring_internal.apply_jobs($1, $2, $3)",
            [file.source, String(generation), file.json], timeout: .seconds(60))
        try await connection.execute(committing ? "commit" : "rollback")
        return rows
    }

    /// Turns what the database refused into faults of the file.
    private func report(_ rows: PostgresRows, of file: JobsFile) throws {
        let faults = Self.faults(in: rows, of: file)
        guard faults.isEmpty else { throw refusal(faults) }
        guard rows.first?["action"] != "superseded" else {
            throw CommandFault(
                .failed, "a newer form of \(file.path) is in force",
                remedy: "save the file again, or give it a higher \"generation\"")
        }
    }

    private static func faults(in rows: some Collection<PostgresRow>, of file: JobsFile) -> [ConfigurationFault] {
        rows.filter { $0["action"] == "fault" }.map { row in
            file.fault(line: row["line"].flatMap { Int($0) }, job: row["job_name"], message: row["message"] ?? "")
        }
    }

    /// Prints every fault on a line of its own and sums them up.
    private func refusal(_ faults: [ConfigurationFault]) -> CommandFault {
        for fault in faults { Terminal.printError("\(fault)") }
        return CommandFault(
            .failed, "the jobs in force stay as they are", remedy: "mend the \(faults.count) faults above")
    }
}
