extension Migrator {
    /// One psql file that brings a database from `version` on to the state that `up` brings it to; needs no connection.
    ///
    /// - Parameter version: the newest migration that the database holds already; nil for an empty database.
    /// - Returns: the file's text.
    /// - Throws: `MigrationFault` when a file is unusable or no migration has this version.
    package func script(from version: String?) throws(MigrationFault) -> String {
        let files = try files()
        let migrations = try MigrationFile.all(in: files)
        var present: ArraySlice<MigrationFile> = []
        if let version {
            guard let place = migrations.firstIndex(where: { $0.version == version }) else {
                throw MigrationFault(
                    .missingFile, "there is no migration \(version)",
                    remedy: "the versions go from \(migrations.first?.version ?? "none") "
                        + "to \(migrations.last?.version ?? "none")")
            }
            present = migrations[...place]
        }
        return InstallScript(
            pending: Array(migrations[present.endIndex...]), present: Array(present),
            reloadable: Reload.reloadable(files), options: options
        ).text
    }
}
