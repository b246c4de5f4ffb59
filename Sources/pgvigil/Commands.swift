/// Every command of the program.
///
/// To add one, write its file and name it here.
enum Commands {
    static let root = Command(
        name: "pgvigil",
        summary: "a monitoring system that lives inside PostgreSQL",
        details: [
            "Exit status: 0 done, 1 failed, 2 wrong usage, 3 drift or pending migrations,",
            "4 another migration holds the lock, 5 cannot connect; more in docs/errors.md.",
        ],
        subcommands: [
            .migrate, .serve, .jobs, .archive, .backup, .alerts, .onCall, .endpoints, .deliveries, .heartbeat, .receive,
            .collect,
            .targets, .doctor, .key, .maintenance, .embedded,
        ])
}
