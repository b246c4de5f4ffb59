import Foundation
import PackagePlugin

/// Turns the folder `sql` into one Swift source file of the target that uses this plugin.
///
/// Every SQL file is an input of the command, so that an edit rebuilds; every folder is one too, because a folder's
/// modification time is what changes when a file is added or removed. The tool reads the folder itself.
///
/// SwiftPM asks a plugin again only when it plans the build anew, and the folder `sql` is nothing it watches. So the tool
/// leaves a stamp named for the set of files in a folder that SwiftPM does watch, the output folder of a pre-build command:
/// a new set is a new name, the next build is planned anew, and edits of the new file are seen too.
@main
struct EmbedSQL: BuildToolPlugin {
    func createBuildCommands(context: PluginContext, target: any Target) async throws -> [Command] {
        let folder = context.package.directoryURL.appending(path: "sql")
        let output = context.pluginWorkDirectoryURL.appending(path: "EmbeddedSQL.swift")
        let stamps = context.pluginWorkDirectoryURL.appending(path: "FileSet")
        try FileManager.default.createDirectory(at: stamps, withIntermediateDirectories: true)
        return [
            .prebuildCommand(
                displayName: "Watching the set of sql files", executable: URL(fileURLWithPath: "/bin/true"),
                arguments: [], outputFilesDirectory: stamps),
            .buildCommand(
                displayName: "Embedding sql", executable: try context.tool(named: "embed-sql").url,
                arguments: [folder.path, output.path, stamps.path], inputFiles: inputs(under: folder),
                outputFiles: [output]),
        ]
    }

    /// The folder, its sub-folders and every `.sql` file below it, in a stable order.
    private func inputs(under folder: URL) -> [URL] {
        var found = [folder]
        let walk = FileManager.default.enumerator(at: folder, includingPropertiesForKeys: [.isDirectoryKey])
        while let entry = walk?.nextObject() as? URL {
            let isFolder = (try? entry.resourceValues(forKeys: [.isDirectoryKey]).isDirectory) ?? false
            if isFolder || entry.pathExtension == "sql" { found.append(entry) }
        }
        return found.sorted { $0.path < $1.path }
    }
}
