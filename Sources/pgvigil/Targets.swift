import Collection
import Postgres
import Runtime
import Secrets

extension Command {
    /// `pgvigil targets`: the servers that are watched from here.
    static let targets = Command(
        name: "targets",
        summary: "add, list, test and remove servers to watch",
        subcommands: [
            Command(
                name: "add", summary: "watch another server", operands: .upTo(1, "NAME"),
                options: [.dsn, .conninfo, .passwordFile, .noPassword] + scope + [.keyFile],
                details: [
                    "NAME becomes the label server. The password comes from --password-file, a",
                    "prompt or standard input, never from an argument, and is stored sealed.",
                    "On the server a role with pg_monitor is enough; nothing is installed there.",
                ],
                body: { try await TargetCommand($0).add() }),
            Command(
                name: "list", summary: "list the servers and how they fare",
                options: [.dsn, .flag("json", "print one JSON object a server")],
                body: { try await TargetCommand($0).list() }),
            Command(
                name: "test", summary: "connect to one and show what it lacks", operands: .upTo(1, "NAME"),
                options: [.dsn, .keyFile, .flag("json", "print one JSON object a line")],
                details: ["Exit status 22 when something is missing; each line says what mends it."],
                body: { try await TargetCommand($0).test() }),
            Command(
                name: "rotate", summary: "store a new password, or seal again with a new key",
                operands: .upTo(1, "[NAME]"),
                options: [
                    .dsn, .conninfo, .passwordFile, .noPassword,
                    .flag("reseal", "keep the password, seal it with the newest key"),
                    .flag("all", "the same for every server"), .keyFile,
                ],
                details: [
                    "With --conninfo the connection changes too, in one step. A running service",
                    "takes the new password at its next connection.",
                ],
                body: { try await TargetCommand($0).rotate() }),
            Command(
                name: "accept", summary: "take another cluster that answers under NAME for it",
                operands: .upTo(1, "NAME"), options: [.dsn],
                details: ["For a server that was restored or made anew; its series go on."],
                body: { try await TargetCommand($0).accept() }),
            Command(
                name: "remove", summary: "watch a server no longer", operands: .upTo(1, "NAME"),
                options: [.dsn],
                details: ["What was measured stays until it is old."],
                body: { try await TargetCommand($0).remove() }),
        ])

    private static let scope: [CommandOption] = [
        .value("tenant", "NAME", "whose server it is (default: the system's)"),
        .value("databases", "REGEX", "watch the databases that match (default: all)"),
        .value("except", "REGEX", "but not these"),
        .value("max-connections", "COUNT", "the most sessions there (default 2)"),
    ]
}

extension CommandOption {
    static let conninfo = value("conninfo", "CONNINFO", "how to connect, without a password")
    static let passwordFile = value("password-file", "FILE", "read the password from FILE")
    static let noPassword = flag("no-password", "it needs none: a certificate, or trust")
}

extension ExitStatus {
    /// A target answers, and something that collectors need is missing there.
    static let targetLacks = ExitStatus(code: 22)
}

/// The commands that look after targets.
private struct TargetCommand {
    private let invocation: Invocation

    init(_ invocation: Invocation) { self.invocation = invocation }

    func add() async throws -> ExitStatus {
        let name = try requiredName()
        guard let conninfo = try connectionText() else {
            throw CommandFault(
                .usage, "--conninfo is missing", remedy: "such as --conninfo \"host=db.example user=pgvigil\"")
        }
        let connections = try invocation.integer("max-connections", in: 1...100) ?? 2
        let sealed = try await sealed(name, conninfo)
        _ = try await query(
            """
            select monitoring.add_target(
                $1, $2, $3, case when $4::text is not null then monitoring_internal.tenant_id_of($4) end, $5, $6,
                $7::integer)
            """,
            [
                name, conninfo, sealed, invocation.value("tenant"), invocation.value("databases"),
                invocation.value("except"), String(connections),
            ])
        Terminal.print("\(name) is added; see what it lacks: pgvigil targets test \(name)")
        return .ok
    }

    func list() async throws -> ExitStatus {
        show(
            try await query("select * from monitoring_internal.list_targets()"),
            empty: "no server is watched but this one; add some with: pgvigil targets add NAME --conninfo CONNINFO")
        return .ok
    }

    func test() async throws -> ExitStatus {
        let name = try requiredName()
        let probe = TargetProbe(invocation.database(), secrets: try secretOpener())
        do throws(PostgresError) {
            try await probe.visit(name)
        } catch {
            await probe.close()
            throw fault(error, of: name)
        }
        await probe.close()
        let lines = try await query("select * from monitoring_internal.describe_target($1)", [name])
        show(lines, empty: "")
        return lines.allSatisfy { ($0["remedy"] ?? "").isEmpty } ? .ok : .targetLacks
    }

    func rotate() async throws -> ExitStatus {
        if invocation.flag("all") { return try await resealAll() }
        let name = try requiredName()
        if invocation.flag("reseal") {
            try await reseal(name, try invocation.keys())
        } else {
            let conninfo = try connectionText()
            let present = try await query("select monitoring_internal.target_connection($1)", [name]).scalar ?? ""
            let sealed = try await sealed(name, conninfo ?? present) ?? ""
            _ = try await query(
                "select monitoring.set_target($1, conninfo => $2, sealed_secret => $3)", [name, conninfo, sealed])
        }
        Terminal.print("\(name) is changed; see: pgvigil targets test \(name)")
        return .ok
    }

    func accept() async throws -> ExitStatus {
        let name = try requiredName()
        _ = try await query("select monitoring.accept_target($1)", [name])
        Terminal.print("\(name) is whatever cluster answers there next")
        return .ok
    }

    func remove() async throws -> ExitStatus {
        let name = try requiredName()
        _ = try await query("select monitoring.remove_target($1)", [name])
        Terminal.print("\(name) is no longer watched")
        return .ok
    }

    // MARK: Secrets

    /// Seals the password that is asked for; nil where none is wanted.
    private func sealed(_ name: String, _ conninfo: String) async throws -> String? {
        guard !invocation.flag("no-password") else { return nil }
        // Before anybody types a password in vain.
        let keys = try invocation.keys()
        let context = try await query("select monitoring.target_seal_context($1, $2)", [name, conninfo]).scalar ?? ""
        let password = try PasswordInput(invocation: invocation, purpose: name).read()
        do throws(SecretFault) {
            return try keys.seal(password, context: context)
        } catch {
            throw CommandFault(error)
        }
    }

    private func resealAll() async throws -> ExitStatus {
        let keys = try invocation.keys()
        let names = try await query("select * from monitoring_internal.list_targets()")
        var count = 0
        for row in names { if try await reseal(row["name"] ?? "", keys) { count += 1 } }
        Terminal.print("\(count) passwords are sealed with key \(keys.keys[0].id) now")
        return .ok
    }

    /// Opens and seals again; false where there is nothing to do.
    @discardableResult
    private func reseal(_ name: String, _ keys: KeyRing) async throws -> Bool {
        let row = try await query("select * from monitoring_internal.target_secret($1)", [name]).single()
        guard let old = row["sealed_secret"], !keys.isNewest(old) else { return false }
        let new: String
        do throws(SecretFault) {
            let context = row["seal_context"] ?? ""
            new = try keys.seal(try keys.open(old, context: context), context: context)
        } catch {
            throw CommandFault(.sealedShut, "\(name): \(error.message)", remedy: error.remedy)
        }
        _ = try await query("select monitoring.set_target($1, sealed_secret => $2)", [name, new])
        return true
    }

    private func secretOpener() throws(CommandFault) -> SecretOpener {
        do throws(SecretFault) {
            return try SecretOpener(invocation.keySource)
        } catch {
            throw CommandFault(error)
        }
    }

    // MARK: Input and output

    private func requiredName() throws(CommandFault) -> String {
        guard let name = invocation.operands.first else {
            throw CommandFault(.usage, "the name of a target is missing", remedy: "names: pgvigil targets list")
        }
        return name
    }

    /// The connection string, which must hold no password and leave nothing to this machine's environment.
    private func connectionText() throws(CommandFault) -> String? {
        guard let text = invocation.value("conninfo") else { return nil }
        let parts: ConnectionText
        do throws(PostgresError) {
            parts = try ConnectionText(text)
        } catch {
            throw CommandFault(.usage, "--conninfo: \(error.message)", remedy: error.hint ?? "")
        }
        guard !parts.holdsSecret else {
            throw CommandFault(
                .usage, "--conninfo holds a password, which other users of this machine could see",
                remedy: "change that password, leave it out, and give the new one by --password-file FILE "
                    + "or on standard input")
        }
        guard !["host", "hostaddr", "service"].allSatisfy({ parts.values[$0] == nil }) else {
            throw CommandFault(.usage, "--conninfo names no host", remedy: "add host=NAME")
        }
        return text
    }

    private func fault(_ error: PostgresError, of name: String) -> any Error {
        switch (error.kind, error.sqlState) {
        case (_, "PV606"): CommandFault(.sealedShut, "\(name): \(error.message)", remedy: error.hint ?? "")
        case (.connection, _), (.timeout, _):
            CommandFault(
                .cannotConnect, "\(name): \(error.message)",
                remedy: error.sqlState == "28P01"
                    ? "store the right password with: pgvigil targets rotate \(name)"
                    : "check its host, port, pg_hba.conf and that it runs")
        default: error
        }
    }

    private func show(_ rows: PostgresRows, empty: String) {
        if invocation.flag("json") {
            for row in rows { Terminal.print(TextTable.json(row)) }
        } else {
            Terminal.print(rows.isEmpty ? empty : TextTable(rows).text)
        }
    }

    private func query(_ sql: String, _ parameters: [String?] = []) async throws -> PostgresRows {
        let connection = try await PostgresConnection.connect(invocation.database())
        return try await connection.query(sql, parameters, timeout: .seconds(60))
    }
}
