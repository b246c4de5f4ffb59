/// Where files of archived days are kept; all calls block.
protocol ArchivePlace: Sendable {
    /// What the store notes as the destination, such as file:///var/lib/pgvigil/archive.
    var destination: String { get }

    /// A path for a file in the making, on the same file system as the place where that matters.
    func partialPath(_ name: String) throws(ArchiveFault) -> String

    /// Moves a finished file to its name in the place, durably.
    func keep(_ path: String, as name: String) throws(ArchiveFault)

    /// A file to read.
    ///
    /// - Throws: kinds missing, place.
    func fetch(_ name: String) throws(ArchiveFault) -> LocalCopy

    /// Removes a file; one that is not there is none to remove.
    func remove(_ name: String) throws(ArchiveFault)

    /// All files whose names may be ours.
    func list() throws(ArchiveFault) -> [PlacedFile]

    /// What interrupted work left outside of the place, older than so many seconds: removed, if so asked.
    func leftovers(olderThan age: Int, removing: Bool) -> [String]

    /// The place for who tidies up after an interruption: it is not interrupted, but soon done.
    var forTidying: any ArchivePlace { get }
}

/// A file that can be read here, and whether it goes when it was read.
struct LocalCopy: Sendable {
    let path: String
    let isTemporary: Bool
    /// Lives as long as the copy.
    var folder: PrivateFolder?

    /// Removes what is temporary; called when nobody reads any more.
    func discard() {
        if isTemporary { Files.remove(path) }
        withExtendedLifetime(folder) {}
    }
}

extension ArchivePlace {
    /// The name of the manifest that stands beside a file.
    static func manifestName(_ name: String) -> String { String(name.dropLast(3)) + ".json" }

    /// Whether a name has the shape of ours: CLASS/YEAR/CLASS-….
    static func isLikeOurs(_ name: String) -> Bool {
        let parts = name.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count == 3, !parts[0].isEmpty, parts[1].count == 4 else { return false }
        return parts[2].hasPrefix("\(parts[0])-\(parts[1])-")
    }

    /// Nothing is kept outside of the place.
    func leftovers(olderThan _: Int, removing _: Bool) -> [String] { [] }

    /// The same: nothing interrupts it.
    var forTidying: any ArchivePlace { self }

    /// Writes a small file.
    func keep(text: String, as name: String) throws(ArchiveFault) {
        let path = try partialPath(name)
        try Files.write(Array(text.utf8), to: path)
        do throws(ArchiveFault) {
            try keep(path, as: name)
        } catch {
            Files.remove(path)
            throw error
        }
    }
}
