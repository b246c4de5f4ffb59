/// Decodes a jobs.yml; each job by itself, so that the faults of all are found.
struct JobsDecoder {
    let faults: FaultCollector

    /// The jobs that could be read, the explicit generation, and the name of the source.
    func decode(_ bytes: [UInt8]) -> (jobs: [JobDefinition], generation: Int64?, source: String?) {
        guard let root = YAMLReader.read(bytes, faults: faults), !root.isNull else {
            if faults.isEmpty { faults.add(SourceMark(line: 1, column: 1), "", "the file is empty") }
            return ([], nil, nil)
        }
        guard
            let file = MappingReader(
                root, path: "", known: ["version", "source", "generation", "defaults", "jobs"], faults: faults)
        else { return ([], nil, nil) }
        file.require("version", "jobs")
        _ = file.integer("version", in: 1...1)
        let generation = file.integer("generation", in: 1...1_000_000_000_000_000)
        let defaults = file.node("defaults").flatMap { node in
            MappingReader(node, path: "defaults", known: JobDefinition.sharedKeys, faults: faults)
        }
        return (jobs(in: file, defaults: defaults.map(shared)), generation, source(of: file))
    }

    /// The name that tells this file's jobs from those of another, when its own name does not.
    private func source(of file: MappingReader) -> String? {
        guard let name = file.text("source"), let node = file.node("source") else { return nil }
        guard name != "sql" else {
            faults.add(node.mark, "source", "\"sql\" is the source of jobs that SQL defined")
            return nil
        }
        return name
    }

    private func jobs(in file: MappingReader, defaults: SharedKeys?) -> [JobDefinition] {
        guard let node = file.node("jobs") else { return [] }
        guard case .sequence(let items) = node.kind else {
            faults.add(node.mark, "jobs", "expected a list, found \(node.summary)")
            return []
        }
        var firstLines: [String: Int] = [:]
        return items.enumerated().compactMap { index, item in
            let path = "jobs[\(index)]"
            let known = JobDefinition.ownKeys + JobDefinition.sharedKeys
            guard
                let reader = MappingReader(
                    item, path: path, known: known, synonyms: JobDefinition.synonyms, faults: faults)
            else { return nil }
            refuseTwin(reader, &firstLines)
            return job(reader, defaults: defaults)
        }
    }

    /// Faults a name that an earlier job has, with the lines of both.
    private func refuseTwin(_ reader: MappingReader, _ firstLines: inout [String: Int]) {
        guard let node = reader.node("name"), case .scalar(let name, _) = node.kind, !node.isNull else { return }
        if let line = firstLines[name] {
            faults.add(
                node.mark, reader.place(of: "name"),
                "\(node.summary) in line \(node.mark.line) is already the name of a job in line \(line)")
        } else {
            firstLines[name] = node.mark.line
        }
    }

    private func job(_ reader: MappingReader, defaults: SharedKeys?) -> JobDefinition? {
        reader.require("name", "schedule", "sql")
        let own = shared(reader)
        let description = reader.text("description")
        let name = reader.text("name")
        let schedule = reader.text("schedule")
        guard let name, let schedule, let sql = reader.text("sql") else { return nil }
        if !Self.isName(name), let node = reader.node("name") {
            faults.add(
                node.mark, reader.place(of: "name"),
                "expected 1 to 63 of a-z, 0-9, dot, dash and underscore, the first a letter or digit, "
                    + "found \(node.summary)")
        }
        return JobDefinition(
            mark: reader.mark, name: name, schedule: schedule, sql: sql,
            mode: own.mode ?? defaults?.mode,
            timeZone: own.timeZone ?? defaults?.timeZone,
            daylightSaving: own.daylightSaving ?? defaults?.daylightSaving,
            overlap: own.overlap ?? defaults?.overlap,
            misfire: own.misfire ?? defaults?.misfire,
            misfireLimit: own.misfireLimit ?? defaults?.misfireLimit,
            timeout: own.timeout ?? defaults?.timeout,
            lockTimeout: own.lockTimeout ?? defaults?.lockTimeout,
            startDeadline: own.startDeadline ?? defaults?.startDeadline,
            spread: own.spread ?? defaults?.spread,
            isEnabled: own.isEnabled ?? defaults?.isEnabled,
            history: own.history ?? defaults?.history,
            runAs: own.runAs ?? defaults?.runAs,
            retries: own.retries ?? defaults?.retries,
            needs: reader.texts("needs"),
            databases: databases(reader),
            targets: targets(reader),
            description: description)
    }

    /// The keys that a job and the defaults have in common.
    private struct SharedKeys {
        let mode: JobDefinition.Mode?
        let timeZone: String?
        let daylightSaving: JobDefinition.DaylightSaving?
        let overlap: JobDefinition.Overlap?
        let misfire: JobDefinition.Misfire?
        let misfireLimit: Int64?
        let timeout: Duration?
        let lockTimeout: Duration?
        let startDeadline: Duration?
        let spread: Duration?
        let isEnabled: Bool?
        let history: JobDefinition.History?
        let runAs: String?
        let retries: JobDefinition.Retries?
    }

    private func shared(_ reader: MappingReader) -> SharedKeys {
        SharedKeys(
            mode: reader.choice("mode", as: JobDefinition.Mode.self),
            timeZone: reader.text("time_zone"),
            daylightSaving: reader.choice("dst", as: JobDefinition.DaylightSaving.self),
            overlap: reader.choice("overlap", as: JobDefinition.Overlap.self),
            misfire: reader.choice("misfire", as: JobDefinition.Misfire.self),
            misfireLimit: reader.integer("misfire_limit", in: 1...1000),
            timeout: reader.duration("timeout"),
            lockTimeout: reader.duration("lock_timeout"),
            startDeadline: reader.duration("start_deadline"),
            spread: reader.duration("spread"),
            isEnabled: reader.boolean("enabled"),
            history: reader.choice("history", as: JobDefinition.History.self),
            runAs: reader.text("run_as"),
            retries: retries(reader))
    }

    private func retries(_ job: MappingReader) -> JobDefinition.Retries? {
        guard let node = job.node("retries"),
            let reader = MappingReader(
                node, path: job.place(of: "retries"), known: ["attempts", "base", "cap"], faults: faults)
        else { return nil }
        reader.require("attempts")
        let base = reader.duration("base")
        let cap = reader.duration("cap")
        return reader.integer("attempts", in: 0...20).map { JobDefinition.Retries(attempts: $0, base: base, cap: cap) }
    }

    private func databases(_ job: MappingReader) -> JobDefinition.Databases? {
        guard let node = job.node("databases"),
            let reader = MappingReader(
                node, path: job.place(of: "databases"), known: ["match", "except"], faults: faults)
        else { return nil }
        return JobDefinition.Databases(match: reader.text("match"), except: reader.text("except"))
    }

    /// The word `all`, or a list of names and patterns.
    private func targets(_ job: MappingReader) -> [String]? {
        guard let node = job.node("targets") else { return nil }
        if case .scalar(let text, _) = node.kind {
            guard text != "all" else { return ["all"] }
            faults.add(node.mark, job.place(of: "targets"), "expected all or a list of targets, found \(node.summary)")
            return nil
        }
        let names = job.texts("targets")
        if names?.isEmpty == true {
            faults.add(node.mark, job.place(of: "targets"), "expected all or a list of targets, found none")
        }
        return names
    }

    private static func isName(_ text: String) -> Bool {
        let letters = UInt8(ascii: "a")...UInt8(ascii: "z")
        let digits = UInt8(ascii: "0")...UInt8(ascii: "9")
        guard let first = text.utf8.first, letters.contains(first) || digits.contains(first) else { return false }
        return text.utf8.count <= 63
            && text.utf8.allSatisfy { letters.contains($0) || digits.contains($0) || "-._".utf8.contains($0) }
    }
}
