import Delivery
import Glibc
import Postgres
import Runtime
import Secrets

// The delivery service as a process of its own, for tests that kill it. Arguments: a connection string and a UUID; the
// key is in PGVIGIL_KEY, and the loopback network is open.
let arguments = CommandLine.arguments
guard arguments.count == 3, let loopback = Network("127.0.0.0/8") else { exit(2) }
let service = try DeliveryService(
    .init(
        configuration: PostgresConfiguration(conninfo: arguments[1], applicationName: "pgvigil delivery"),
        instanceID: arguments[2], sender: .init(policy: AddressPolicy(allowing: [loopback]))),
    secrets: SecretOpener(KeySource(file: nil, environment: ProcessEnvironment.variables())),
    shutdown: GracefulShutdown(), log: Log(level: .warning))
try await service.run()
