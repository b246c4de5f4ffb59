import Glibc
package import Postgres
package import Runtime

/// Writes, reads again, removes and restores days; one at a time.
///
/// The store decides what is due. A file counts once it was written, had its name, was read back, and the store found
/// as many samples in it as it has itself.
package struct Archiver: Sendable {
    /// How far a day is, for whoever watches.
    package struct Progress: Sendable, Equatable {
        /// What is done: writing, checking, restoring.
        package let verb: String
        /// The class and the day.
        package let what: String
        /// From 0 to 1.
        package let share: Double
    }

    /// What became of a day.
    package enum Outcome: Sendable, Equatable {
        /// It was done.
        case done(ClaimedArchive)
        /// It was not; it is tried again later.
        case failed(ClaimedArchive, String)
    }

    private let configuration: PostgresConfiguration
    let settings: ArchiveSettings
    let store: ArchiveStore
    let shutdown: GracefulShutdown
    let onProgress: @Sendable (Progress) -> Void

    /// How many series one statement reads: enough to be quick, few enough that memory stays small.
    private static let seriesPerStatement = 100
    /// How many details one statement stores.
    private static let detailsPerStatement = 500

    /// Works on a session of its own, as `instanceID`, a UUID.
    package init(
        control: PostgresConnection, configuration: PostgresConfiguration, instanceID: String,
        settings: ArchiveSettings, shutdown: GracefulShutdown,
        onProgress: @escaping @Sendable (Progress) -> Void = { _ in }
    ) {
        self.configuration = configuration
        self.settings = settings
        store = ArchiveStore(connection: control, instanceID: instanceID)
        self.shutdown = shutdown
        self.onProgress = onProgress
    }

    /// How long until something is due; nil when nothing is.
    package func delayUntilNext() async throws(PostgresError) -> Duration? { try await store.delayUntilNext() }

    /// Does what is due next; nil when nothing is.
    ///
    /// - Throws: `PostgresError` of the store; an interruption, after the day was given back.
    package func next() async throws -> Outcome? {
        guard let claim = try await store.claim() else { return nil }
        do {
            try await shutdown.withCancellationOnRequest {
                switch claim.action {
                case "write": try await write(claim)
                case "remove": try await remove(claim)
                default: try await verify(claim)
                }
            }
            return .done(claim)
        } catch {
            return try await giveBack(claim, after: error)
        }
    }

    /// Reads a file again and tells the store; throws what is wrong with it.
    ///
    /// - Throws: `ArchiveFault` of kind damaged or missing when it is not as it should be.
    package func verify(id: Int64) async throws {
        let claim = try await store.claim(id, "verify")
        do {
            try await shutdown.withCancellationOnRequest { try await verify(claim) }
        } catch {
            _ = try await giveBack(claim, after: error)
            throw error
        }
    }

    /// Brings a day back into the store, where it stays for `keep`, or as long as the settings say.
    ///
    /// Interrupted, it goes on where it was when it is called again: what is there already is not stored twice.
    /// - Throws: `ArchiveFault`, `PostgresError`.
    package func restore(id: Int64, keep: Duration?) async throws -> (samples: Int, stored: Int) {
        let claim = try await store.claim(id, "restore")
        do {
            return try await shutdown.withCancellationOnRequest { try await restore(claim, keep: keep) }
        } catch {
            _ = try await giveBack(claim, after: error)
            throw error
        }
    }

    /// Reports a failure; an interruption is thrown on, the day is as it was before.
    private func giveBack(_ claim: ClaimedArchive, after error: any Error) async throws -> Outcome {
        let fault = error as? ArchiveFault
        if claim.action == "verify", let fault, fault.isFinding { return .failed(claim, "\(fault)") }
        let problem = error as? PostgresError
        let isInterrupted =
            fault?.kind == .interrupted || error is CancellationError || problem?.kind == .cancelled
        // Whoever took the day over reports for it; without a session nobody can, and the lease ends by itself.
        if problem?.sqlState != "PV240", problem?.isConnectionLost != true {
            let reason = isInterrupted ? nil : problem?.message ?? "\(error)"
            // A task of its own: this one may be cancelled.
            try await Task { try await store.fail(claim, error: reason) }.value
        }
        if isInterrupted { throw Self.interruption }
        if problem?.isConnectionLost == true { throw error }
        return .failed(claim, problem?.description ?? "\(error)")
    }

    func check() throws(ArchiveFault) {
        if shutdown.isRequested || Task.isCancelled { throw Self.interruption }
    }

    private static let interruption = ArchiveFault(.interrupted, "interrupted", remedy: "run it again to finish")

    private func tell(_ verb: String, _ claim: ClaimedArchive, _ share: Double) {
        onProgress(Progress(verb: verb, what: "\(claim.retentionClass) \(claim.day)", share: share))
    }

    // MARK: Writing

    private func write(_ claim: ClaimedArchive) async throws {
        let place = try settings.place(isStopped: { [shutdown] in shutdown.isRequested })
        let name = claim.newName
        var isReporting = false
        let partial = try await Blocking.run { () throws(ArchiveFault) in
            let path = try place.partialPath(name)
            Files.remove(path)
            return path
        }
        do {
            let facts = try await fill(partial, claim)
            try check()
            try await Blocking.run { () throws(ArchiveFault) in
                try place.keep(partial, as: name)
                try place.keep(text: facts.manifest, as: type(of: place).manifestName(name))
            }
            try await readBack(claim, place, name, facts)
            isReporting = true
            try await store.finish(claim, destination: place.destination, name: name, facts)
        } catch {
            // Whether the store took the report cannot be told when it did not answer: the file stays then.
            let answer = (error as? PostgresError)?.sqlState ?? ""
            guard !isReporting || answer.hasPrefix("PV") || answer == "57014" else { throw error }
            await discard(partial, place.forTidying, name)
            throw error
        }
        await sweep(claim, place, name)
    }

    /// Removes what does not count.
    private func discard(_ partial: String, _ place: any ArchivePlace, _ name: String) async {
        try? await Blocking.run { () throws(ArchiveFault) in
            Files.remove(partial)
            try place.remove(name)
            try place.remove(type(of: place).manifestName(name))
        }
    }

    /// Streams the day out of the store, in one snapshot.
    private func fill(_ path: String, _ claim: ClaimedArchive) async throws -> ArchiveFacts {
        let writer = try await Blocking.run { () throws(ArchiveFault) in try ArchiveFileWriter(path: path) }
        try writer.add(ArchiveLine.heading(retentionClass: claim.retentionClass, day: claim.day))
        let source = try await PostgresConnection.connect(configuration)
        let tally = Lock(ArchiveFacts(retentionClass: claim.retentionClass, day: claim.day))
        do {
            try await source.execute("begin transaction isolation level repeatable read, read only")
            let series = try await source.query(
                "select series_id from monitoring_internal.class_day_series($1, $2::date)",
                [claim.retentionClass, claim.day]
            ).map { $0[0] }
            for start in stride(from: 0, to: series.count, by: Self.seriesPerStatement) {
                try check()
                try await store.hold(claim)
                let part = Array(series[start..<min(start + Self.seriesPerStatement, series.count)])
                try await source.stream(
                    "select * from monitoring_internal.archive_lines($1::date, $2::integer[])",
                    [claim.day, ArrayText.text(part)]
                ) { row in
                    let line = try ArchiveLine(row: row)
                    try writer.add(line.bytes)
                    try tally.withLock { (facts) throws(PostgresError) in try facts.count(line, row) }
                }
                tell("writing", claim, Double(start + part.count) / Double(series.count))
            }
            try await source.execute("commit")
        } catch {
            await source.close()
            throw error
        }
        await source.close()
        return try await Blocking.run { () throws(ArchiveFault) in
            var facts = tally.withLock { $0 }
            try writer.finish(&facts)
            return facts
        }
    }

    /// Reads the file from where it was put, manifest and all.
    @inline(never)
    private func readBack(
        _ claim: ClaimedArchive, _ place: any ArchivePlace, _ name: String, _ facts: ArchiveFacts
    ) async throws {
        let copy = try await Blocking.run { () throws(ArchiveFault) in try place.fetch(name) }
        defer { copy.discard() }
        try await Blocking.run { [shutdown] () throws(ArchiveFault) in
            try ArchiveFileReader(path: copy.path, facts: facts).verify { (share) throws(ArchiveFault) in
                if shutdown.isRequested { throw ArchiveFault(.interrupted, "interrupted") }
                tell("checking", claim, share)
            }
            let manifest = try place.fetch(type(of: place).manifestName(name))
            defer { manifest.discard() }
            guard try Files.read(manifest.path) == Array(facts.manifest.utf8) else {
                throw ArchiveFault(.damaged, "the manifest is not what was written")
            }
        }
        try await store.hold(claim)
    }

    /// Removes the file of the generation before, and what attempts that were cut off left in a folder.
    private func sweep(_ claim: ClaimedArchive, _ place: any ArchivePlace, _ name: String) async {
        try? await Blocking.run { () throws(ArchiveFault) in
            if let old = claim.fileName, old != name, claim.destination == place.destination {
                try place.remove(old)
                try place.remove(type(of: place).manifestName(old))
            }
            guard let folder = place as? FolderPlace else { return }
            let parts = name.split(separator: "/")
            let own = parts.last.map { $0.dropLast(3) } ?? ""
            let start = "\(claim.retentionClass)-\(claim.day)-"
            let home = "\(folder.folder)/\(parts.dropLast().joined(separator: "/"))"
            for other in Files.names(in: home)
            where other.hasPrefix(start) && other.contains("-\(claim.mark).") && !other.hasPrefix("\(own).") {
                Files.remove("\(home)/\(other)")
            }
        }
    }

    // MARK: Reading

    @inline(never)
    private func opened(_ claim: ClaimedArchive) throws -> (place: any ArchivePlace, name: String) {
        guard let destination = claim.destination, let name = claim.fileName else {
            throw ArchiveFault(.missing, "no file was written yet")
        }
        return (try settings.place(of: destination, isStopped: { [shutdown] in shutdown.isRequested }), name)
    }

    private func verify(_ claim: ClaimedArchive) async throws {
        let (place, name) = try opened(claim)
        let facts = try await store.facts(claim)
        let fault = try await finding(claim, place, name, facts)
        try await store.check(claim, fault: fault?.message)
        if let fault { throw fault }
    }

    /// What is wrong with a file; nil for nothing.
    ///
    /// Not inlined, as those it stands beside: the optimiser of Swift 6.3 crashes on verify(_:) otherwise.
    @inline(never)
    private func finding(
        _ claim: ClaimedArchive, _ place: any ArchivePlace, _ name: String, _ facts: ArchiveFacts
    ) async throws -> ArchiveFault? {
        do {
            try await readBack(claim, place, name, facts)
        } catch {
            guard let fault = error as? ArchiveFault, fault.isFinding else { throw error }
            return fault
        }
        return nil
    }

    private func remove(_ claim: ClaimedArchive) async throws {
        let (place, name) = try opened(claim)
        try await Blocking.run { () throws(ArchiveFault) in
            try place.remove(name)
            try place.remove(type(of: place).manifestName(name))
        }
        try await store.removed(claim)
    }

    private func restore(_ claim: ClaimedArchive, keep: Duration?) async throws -> (samples: Int, stored: Int) {
        let (place, name) = try opened(claim)
        let facts = try await store.facts(claim)
        // Nothing of a damaged file is stored.
        try await readBack(claim, place, name, facts)
        try await store.beginRestore(claim, keep: keep)
        let copy = try await Blocking.run { () throws(ArchiveFault) in try place.fetch(name) }
        defer { copy.discard() }
        let reader = try await Blocking.run { () throws(ArchiveFault) in
            try ArchiveFileReader(path: copy.path, facts: facts)
        }
        let stored = try await store(claim, reader)
        try await store.finishRestore(claim)
        return (facts.rows, stored)
    }

    /// Stores all that a file holds; how many samples were not in the store.
    @inline(never)
    private func store(_ claim: ClaimedArchive, _ reader: ArchiveFileReader) async throws -> Int {
        var stored = 0
        var series: ArchiveLine?
        var details: [String] = []
        var beat = Monotonic.now()
        while true {
            let line = try await Blocking.run { () throws(ArchiveFault) in try reader.next() }
            try check()
            if let series, !details.isEmpty, line?.isDetail != true || details.count >= Self.detailsPerStatement {
                _ = try await store.restore(claim, details, of: series)
                details = []
            }
            guard let line else { return stored }
            if line.isDetail {
                details.append(line.fields[1])
            } else {
                stored += try await store.restore(claim, line)
                series = line
            }
            if Monotonic.now() - beat > .seconds(2) {
                try await store.hold(claim)
                beat = Monotonic.now()
            }
            tell("restoring", claim, reader.progress)
        }
    }
}

extension ArchiveFacts {
    /// Adds a line that was written.
    fileprivate mutating func count(_ line: ArchiveLine, _ row: PostgresRow) throws(PostgresError) {
        guard !line.isDetail else {
            details += 1
            return
        }
        rows += line.samples
        series += 1
        guard line.samples > 0 else { return }
        let (first, last) = (
            try row.decode("first_sample_at", as: String.self), try row.decode("last_sample_at", as: String.self)
        )
        // Two times of one zone in one form compare as texts where both have, or lack, a fraction; else digit by digit.
        if firstSampleAt.isEmpty || Self.sortable(first) < Self.sortable(firstSampleAt) { firstSampleAt = first }
        if lastSampleAt.isEmpty || Self.sortable(lastSampleAt) < Self.sortable(last) { lastSampleAt = last }
    }

    /// The time up to its zone: "…:05" stands before "…:05.5".
    private static func sortable(_ time: String) -> Substring { time.dropLast(3) }
}
