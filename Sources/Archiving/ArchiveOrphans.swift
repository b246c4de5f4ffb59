import Postgres
import Runtime

/// A file as it lies in a place.
struct PlacedFile: Sendable, Equatable {
    let name: String
    /// Seconds since 1970.
    let modifiedAt: Int
}

/// A file that is ours by its name and that no archive knows: whoever wrote it was killed before it could report.
package struct ArchiveOrphan: Sendable, Equatable {
    /// Its name in the place.
    package let name: String
    /// What keeps it from being removed; nil when nothing does.
    package let obstacle: String?

    /// An orphan as something other than the store sees it.
    init(name: String, obstacle: String?) {
        self.name = name
        self.obstacle = obstacle
    }

    /// Reads a row of `archive_orphans`.
    init(row: PostgresRow) throws(PostgresError) {
        name = try row.decode("name")
        obstacle = row["obstacle"]
    }
}

/// What was found in one place.
package struct OrphanReport: Sendable {
    /// Such as file:///var/lib/pgvigil/archive.
    package let destination: String
    /// What nobody knows.
    package let orphans: [ArchiveOrphan]
    /// How many of them were removed.
    package let removed: Int
    /// Why it could not be looked through.
    package let fault: ArchiveFault?
}

extension Archiver {
    /// Looks through the places of this store for files of ours that no archive knows, and removes those that may go, if
    /// so asked.
    ///
    /// A place that cannot be looked through is told with its reason.
    /// - Throws: `PostgresError` of the store; an interruption.
    package func orphans(removing: Bool) async throws -> [OrphanReport] {
        let isStopped: @Sendable () -> Bool = { [shutdown] in shutdown.isRequested }
        let own = try? settings.place(isStopped: isStopped).destination
        let age = try await store.orphanAge()
        var reports: [OrphanReport] = []
        for destination in Set(try await store.destinations() + [own].compactMap { $0 }).sorted() {
            try check()
            do {
                let place = try settings.place(of: destination, isStopped: isStopped)
                reports.append(try await orphans(in: place, Int(age.inSeconds), removing))
            } catch let fault as ArchiveFault {
                if fault.kind == .interrupted { throw fault }
                reports.append(OrphanReport(destination: destination, orphans: [], removed: 0, fault: fault))
            }
        }
        return reports
    }

    @inline(never)
    private func orphans(in place: any ArchivePlace, _ age: Int, _ removing: Bool) async throws -> OrphanReport {
        let files = try await Blocking.run { () throws(ArchiveFault) in try place.list() }
        var found = try await store.orphans(files)
        let removable = removing ? found.filter { $0.obstacle == nil } : []
        for (index, orphan) in removable.enumerated() {
            try check()
            try await Blocking.run { () throws(ArchiveFault) in try place.remove(orphan.name) }
            onProgress(
                Progress(
                    verb: "removing", what: "orphans", share: Double(index + 1) / Double(removable.count)))
        }
        let leftovers = try await Blocking.run { () throws(ArchiveFault) in
            place.leftovers(olderThan: age, removing: removing)
        }
        found += leftovers.map { ArchiveOrphan(name: $0, obstacle: nil) }
        return OrphanReport(
            destination: place.destination, orphans: found,
            removed: removing ? removable.count + leftovers.count : 0, fault: nil)
    }
}
