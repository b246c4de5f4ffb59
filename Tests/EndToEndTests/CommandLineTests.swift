import EmbeddedPostgres
import Glibc
import Runtime
import TestSupport
import Testing

@Suite("The command line", .timeLimit(.minutes(2)))
struct CommandLineTests {
    /// Every command that has a help text, found by reading the help from the root on.
    private static func commands() async throws -> [[String]] {
        var found: [[String]] = []
        var pending: [[String]] = [[]]
        while let path = pending.popLast() {
            found.append(path)
            let help = try await CommandLineProgram.run(path + ["--help"])
            let title = (["pgvigil"] + path).joined(separator: " ")
            guard help.output.contains("usage: \(title) COMMAND") else { continue }
            let rows = help.lines.drop { !$0.hasPrefix("usage:") }.drop { !$0.hasPrefix("  ") }.prefix {
                $0.hasPrefix("  ")
            }
            pending += rows.compactMap { $0.split(separator: " ").first.map { path + [String($0)] } }
        }
        return found
    }

    @Test("the help of every command fits a screen of 80 by 24 and begins with its name")
    func help() async throws {
        let commands = try await Self.commands()
        #expect(commands.contains(["migrate", "up"]))
        #expect(commands.count > 8)
        for command in commands {
            let help = try await CommandLineProgram.run(command + ["--help"])
            let title = (["pgvigil"] + command).joined(separator: " ")
            #expect(help.ending == .exited(0))
            #expect(help.errors.isEmpty)
            #expect(help.output.hasPrefix("\(title): "))
            #expect(help.lines.count <= 24, "\(title) has \(help.lines.count) lines")
            #expect(help.lines.allSatisfy { $0.count <= 80 }, "\(title): \(help.lines.filter { $0.count > 80 })")
            #expect(try await CommandLineProgram.run(command + ["-h"]).output == help.output)
        }
    }

    @Test(
        "a misspelt word is refused with the word that was probably meant",
        arguments: [
            (["migrte"], "pgvigil: unknown command \"migrte\"; did you mean \"migrate\"?\n"),
            (["migrate", "verfy"], "pgvigil: unknown command \"verfy\"; did you mean \"verify\"?\n"),
            (["migrate", "up", "--relod"], "pgvigil: unknown option \"--relod\"; did you mean \"--reload\"?\n"),
            (["migrate", "up", "--sql_dir=x"], "pgvigil: unknown option \"--sql_dir\"; did you mean \"--sql-dir\"?\n"),
            (["embeded"], "pgvigil: unknown command \"embeded\"; did you mean \"embedded\"?\n"),
            (["zzzz"], "pgvigil: unknown command \"zzzz\"; see pgvigil --help\n"),
            (["migrate", "-x"], "pgvigil: unknown option \"-x\"; see pgvigil migrate --help\n"),
        ])
    func misspelt(words: [String], message: String) async throws {
        let report = try await CommandLineProgram.run(words)
        #expect(report.ending == .exited(2))
        #expect(report.errors == message)
        #expect(report.output.isEmpty)
    }

    @Test(
        "wrong usage is one line and status 2",
        arguments: [
            ([], "pgvigil needs a command: migrate"),
            (["migrate"], "pgvigil migrate needs a command: up, down, status"),
            (["migrate", "up", "--dsn"], "option --dsn needs a value: --dsn CONNINFO"),
            (["migrate", "up", "--reload=yes"], "option --reload takes no value"),
            (["migrate", "status", "now"], "unexpected \"now\" after pgvigil migrate status"),
            (["migrate", "up", "--", "--reload"], "unexpected \"--reload\" after pgvigil migrate up"),
            (["migrate", "up", "--lock-wait", "soon"], "option --lock-wait must be a length of time"),
        ])
    func usage(words: [String], message: String) async throws {
        let report = try await CommandLineProgram.run(words)
        #expect(report.ending == .exited(2))
        #expect(report.errors.hasPrefix("pgvigil: \(message)"), "\(report.errors)")
        #expect(report.errors.split(separator: "\n").count == 1)
    }

    @Test("the version is one line", arguments: [["--version"], ["migrate", "up", "--version"]])
    func version(words: [String]) async throws {
        let report = try await CommandLineProgram.run(words)
        #expect(report.ending == .exited(0))
        #expect(report.output.hasPrefix("pgvigil 0."))
    }

    @Test(
        "no connection is status 5 with a remedy, whether the address is an option or in the environment",
        arguments: [
            (["migrate", "status", "--dsn", "host=/nowhere"], [:]),
            (["migrate", "status", "--dsn=host=/nowhere"], [:]),
            (["migrate", "status"], ["PGVIGIL_DSN": "host=/nowhere"]), (["migrate", "status"], ["PGHOST": "/nowhere"]),
        ] as [([String], [String: String])])
    func noConnection(words: [String], environment: [String: String]) async throws {
        let report = try await CommandLineProgram.run(words, environment: environment)
        #expect(report.ending == .exited(5))
        #expect(report.errors.hasPrefix("pgvigil: cannot connect: "))
        #expect(report.errors.contains("/nowhere"))
        #expect(report.errors.contains("check --dsn"))
        #expect(report.errors.split(separator: "\n").count == 1)
    }

    @Test("migrate says what it did, then that nothing is left to do; verify tells pending from verified by status")
    func migrate() async throws {
        try await TestDatabase.withDatabase(.empty) { database in
            let environment = ["PGVIGIL_DSN": database.conninfo]
            func run(_ words: String...) async throws -> CommandLineProgram.Report {
                try await CommandLineProgram.run(["migrate"] + words, environment: environment)
            }
            #expect(try await run("verify").ending == .exited(3))
            let plan = try await run("plan")
            #expect(plan.output.contains("apply  0001_"))
            #expect(plan.output.contains(" statements, as-installer"))
            let up = try await run("up")
            #expect(up.ending == .exited(0), "\(up.errors)")
            #expect(up.output.hasPrefix("applied 0001_"))
            #expect(up.errors.isEmpty)
            #expect(try await run("up").output == "nothing to do: the database is up to date\n")
            #expect(try await run("plan").output == "nothing to do: the database is up to date\n")
            #expect(try await run("status").output.hasSuffix("up to date\n"))
            #expect(try await run("verify").ending == .exited(0))
            let json = try await run("status", "--json")
            #expect(json.output.hasPrefix("{\"current\":true,\"applied\":[{\"version\":\"0001\","))
            #expect(json.lines.count == 2)
            #expect(try await run("verify", "--json").output.hasPrefix("{\"ok\":true,"))
            #expect(try await run("plan", "--json").output.hasPrefix("{\"apply\":[],"))
        }
    }

    @Test("a folder given as an option or in the environment stands in for the embedded files")
    func sqlFolder() async throws {
        try await TestDatabase.withDatabase(.empty) { database in
            let environment = ["PGVIGIL_DSN": database.conninfo, "PGVIGIL_SQL_DIR": "/nowhere"]
            let report = try await CommandLineProgram.run(["migrate", "up"], environment: environment)
            #expect(report.ending == .exited(13))
            #expect(report.errors.hasPrefix("pgvigil: cannot read SQL files from /nowhere: No such file"))
            let named = try await CommandLineProgram.run(
                ["migrate", "up", "--sql-dir", "/none"], environment: environment)
            #expect(named.errors.contains("/none:"))
        }
    }

    @Test("embedded runs a command beside a private server and ends with its status")
    func embedded() async throws {
        let script = "echo \"$PGHOST\"; test -S \"$PGHOST/.s.PGSQL.5432\" && exit 7"
        let report = try await CommandLineProgram.run(["embedded", "--", "/bin/sh", "-c", script])
        #expect(report.ending == .exited(7), "\(report.errors)")
        let folder = try #require(report.output.split(separator: "\n").first)
        #expect(access(String(folder), F_OK) != 0)
    }

    @Test("embedded without a command says where the server is, and SIGTERM ends both")
    func embeddedStops() async throws {
        let files = try (CommandLineProgram.temporaryFile(), CommandLineProgram.temporaryFile())
        let child = try CommandLineProgram.start(["embedded"], output: files.0, errors: files.1)
        while !CommandLineProgram.read(files.0).contains("psql:"), child.ending == nil {
            try await ContinuousClock().sleep(for: .milliseconds(20))
        }
        child.signal(SIGTERM)
        #expect(await child.wait() == .exited(0))
        let output = CommandLineProgram.read(files.0)
        #expect(output.contains("conninfo: host="))
        let folder = try #require(output.split(separator: "'").dropFirst().first)
        #expect(access(String(folder), F_OK) != 0)
        unlink(files.0)
        unlink(files.1)
    }
}
