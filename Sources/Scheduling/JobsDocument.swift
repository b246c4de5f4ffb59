import Postgres

/// The jobs of one file as the database takes them.
package struct JobsDocument: Sendable, Equatable {
    /// The file's name without its folder, so that the same file on several machines is one source.
    package let source: String
    /// Grows with each edit of the file.
    package let generation: Int64
    /// An array of objects with the keys of jobs.yml and `line`.
    package let json: String

    /// The jobs of `source`.
    package init(source: String, generation: Int64, json: String) {
        self.source = source
        self.generation = generation
        self.json = json
    }
}

/// What is wrong with a job, and where.
package struct JobFault: Sendable, Equatable, CustomStringConvertible {
    /// The file and its line: `jobs.yml:12`.
    package let place: String
    /// The job and the fault.
    package let message: String

    init(row: PostgresRow, source: String) {
        place = "\(source):\(row["line"] ?? "?")"
        // What the reader of the file found names its place by itself.
        let job = row["job_name"].map { "job \"\($0)\": " } ?? ""
        message = job + (row["message"] ?? "")
    }

    /// The place, the job and the fault.
    package var description: String { "\(place): \(message)" }
}

/// Every fault of a file; nothing of it was brought into force.
package struct JobFaults: Error, Sendable, CustomStringConvertible {
    /// In the order of their lines.
    package let faults: [JobFault]

    /// One line a fault.
    package var description: String { faults.map(\.description).joined(separator: "\n") }
}
