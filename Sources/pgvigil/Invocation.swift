import Postgres
import Runtime

/// One call of a command: its options from the command line or the environment, its operands, and the wish to stop.
struct Invocation: Sendable {
    /// The words that named the command: `pgvigil migrate up`.
    let title: String
    let operands: [String]
    /// Requested by SIGTERM and SIGINT.
    let shutdown: GracefulShutdown
    /// How the database is reached: `--dsn`, completed by what the environment said at the start.
    let home: String
    private let values: [String: [String]]
    private let signals: SignalRelay

    init(
        title: String, command: Command, parsed: ArgumentParser.Parsed, signals: SignalRelay,
        environment: (String) -> String?, home: (String) -> String
    ) {
        self.title = title
        self.operands = parsed.operands
        self.shutdown = signals.shutdown
        self.signals = signals
        var values = parsed.values
        for option in command.options where values[option.name] == nil {
            guard let text = environment(option.environmentName), !text.isEmpty else { continue }
            if option.takesValue || Self.isTrue(text) { values[option.name] = [text] }
        }
        self.values = values
        self.home = home(values[CommandOption.dsn.name]?.last ?? "")
    }

    /// The option's value; the last one when it was given more than once.
    func value(_ name: String) -> String? { values[name]?.last }

    /// Every value of an option that may be given more than once.
    func allValues(_ name: String) -> [String] { values[name] ?? [] }

    /// Whether a flag is set.
    func flag(_ name: String) -> Bool { values[name] != nil }

    /// A whole number inside bounds.
    /// - Throws: `CommandFault` of status usage.
    func integer(_ name: String, in bounds: ClosedRange<Int>) throws(CommandFault) -> Int? {
        guard let text = value(name) else { return nil }
        guard let number = Int(text), bounds.contains(number) else {
            throw CommandFault(
                .usage, "option --\(name) must be a whole number from \(bounds.lowerBound) to \(bounds.upperBound)",
                remedy: "it says \"\(text)\"")
        }
        return number
    }

    /// A length of time such as `250ms`, `30s`, `5m`, `2h` or `1d`.
    /// - Throws: `CommandFault` of status usage.
    func duration(_ name: String) throws(CommandFault) -> Duration? {
        guard let text = value(name) else { return nil }
        let units: [(String, Duration)] = [
            ("ms", .milliseconds(1)), ("s", .seconds(1)), ("m", .seconds(60)), ("h", .seconds(3600)),
            ("d", .seconds(86_400)),
        ]
        for (unit, length) in units where text.hasSuffix(unit) {
            guard let count = Int(text.dropLast(unit.count)), (0...1_000_000_000).contains(count) else { continue }
            return length * count
        }
        throw CommandFault(
            .usage, "option --\(name) must be a length of time such as 250ms, 30s, 5m or 2h",
            remedy: "it says \"\(text)\"")
    }

    /// Where the database is: `--dsn`, else libpq's own variables, service file and defaults.
    func database(applicationName: String = "pgvigil") -> PostgresConfiguration {
        PostgresConfiguration(conninfo: home, applicationName: applicationName)
    }

    /// Has `action` run at every SIGHUP from now on, on the thread that takes the signals: it must not block.
    func onReload(_ action: @escaping @Sendable () -> Void) { signals.onReload(action) }

    private static func isTrue(_ text: String) -> Bool { ["1", "true", "yes", "on"].contains(text.lowercased()) }
}

extension CommandOption {
    /// The option of every command that talks to the database.
    static let dsn = value("dsn", "CONNINFO", "database as URI or key=value (else PGHOST ...)")
}
