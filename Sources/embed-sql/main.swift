import Glibc

// embed-sql FOLDER OUTPUT STAMPS: writes every .sql file below FOLDER as Swift source. Used by the build plugin only.
let words = CommandLine.arguments
guard words.count == 4 else { exit(EmbedTool.fail("usage: embed-sql FOLDER OUTPUT STAMPS")) }
exit(EmbedTool.run(folder: words[1], output: words[2], stamps: words[3]))
