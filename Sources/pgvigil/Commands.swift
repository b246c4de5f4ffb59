/// Every command of the program.
///
/// To add one, write its file and name it here.
enum Commands {
    static let root = Command(
        name: "pgvigil",
        summary: "a monitoring system that lives inside PostgreSQL",
        subcommands: [
            .migrate, .serve, .jobs, .archive, .backup, .alerts, .onCall, .endpoints, .deliveries, .heartbeat, .receive,
            .collect, .targets, .doctor, .key, .maintenance, .embedded,
        ])
}
