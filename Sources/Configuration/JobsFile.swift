/// The jobs of a jobs.yml, decoded and checked for everything that needs no database.
package struct JobsFile: Sendable, Equatable {
    /// The path as it was given; faults begin with it.
    package let path: String
    /// Grows with every edit, so that an instance with an older file cannot undo a newer one.
    package let generation: Int64
    /// What tells the jobs of this file from those of others: its key `source`, else its name without the folder.
    ///
    /// So the same file on several machines is one source, wherever it lies there.
    package let source: String
    /// In the order of the file.
    package let jobs: [JobDefinition]
    /// What is wrong with it; the database refuses a file that has any.
    package var faults: [ConfigurationFault] = []

    /// An explicit generation outranks every time of modification (in nanoseconds, below this until 2116).
    static let explicitGenerationBase: Int64 = 1 << 62

    /// Reads and decodes a file.
    ///
    /// It waits for the disk: call it from where waiting is allowed.
    /// - Throws: `ConfigurationError` with every fault of the file.
    package static func load(path: String) throws(ConfigurationError) -> JobsFile {
        let file = try ConfigurationFile.read(path: path)
        return try decode(file.bytes, path: path, modifiedAt: file.modifiedNanoseconds)
    }

    /// Decodes the text of a file.
    ///
    /// `modifiedAt` is in nanoseconds since 1970, and is the generation unless the file has a key for it.
    /// - Throws: `ConfigurationError` with every fault of the text.
    package static func decode(
        _ bytes: [UInt8], path: String, modifiedAt: Int64
    ) throws(ConfigurationError) -> JobsFile {
        let faults = FaultCollector(source: path)
        let decoded = JobsDecoder(faults: faults).decode(bytes)
        var file = JobsFile(
            path: path, generation: decoded.generation.map { explicitGenerationBase + $0 } ?? modifiedAt,
            source: decoded.source ?? path.split(separator: "/").last.map { String($0) } ?? path, jobs: decoded.jobs)
        try faults.throwIfAny { found in
            file.faults = found
            return file
        }
        return file
    }

    /// What the database finds wrong with a job, told like the file's own faults.
    package func fault(line: Int?, job: String?, message: String) -> ConfigurationFault {
        let mark = line.map { line in
            jobs.first { $0.mark.line == line }?.mark ?? SourceMark(line: line)
        }
        return ConfigurationFault(
            source: path, mark: mark, path: job.map { "job \"\($0)\"" } ?? "", message: message)
    }
}
