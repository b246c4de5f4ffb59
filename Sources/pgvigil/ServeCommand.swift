import Archiving
import Collection
import Configuration
import Delivery
import EmbeddedPostgres
import Exporter
import Migrations
import Postgres
import Runtime
import Scheduling
import Secrets

/// Starts everything, waits for the wish to stop, and ends everything in turn.
struct ServeCommand {
    private let invocation: Invocation
    private let settings: ServeSettings
    private let log: Log
    private let manager = ServiceManager(address: ProcessEnvironment.variables()["NOTIFY_SOCKET"])

    /// - Throws: `CommandFault` of status usage.
    init(invocation: Invocation) throws(CommandFault) {
        self.invocation = invocation
        settings = try ServeSettings(invocation)
        log = Log(
            level: settings.logLevel, format: settings.logFormat,
            hasPriorities: Journal.isStandardError(environment: ProcessEnvironment.variables()))
    }

    /// Serves until shutdown is asked for.
    func run() async throws -> ExitStatus {
        let jobs = try await loadJobsOnce()
        guard let directory = settings.embeddedDirectory else {
            return try await serve(conninfo: invocation.home, jobs)
        }
        let cluster = try await EmbeddedCluster.start(.init(storage: .persistent(directory: directory)))
        log.info("embedded server started", ["directory": directory, "version": "\(cluster.majorVersion)"])
        do {
            try await Self.createDatabase(cluster)
            Terminal.print("look inside with: \(cluster.psqlCommand(database: Self.database))")
            let administrator = cluster.conninfo(database: Self.database)
            try await prepareSchema(administrator)
            try await Self.createServiceRole(administrator)
            try await Self.createStatementStatistics(administrator)
            let demo = try await startDemo(administrator)
            let status = try await serve(
                conninfo: cluster.conninfo(database: Self.database, user: Self.serviceRole), jobs)
            await demo?.stop()
            await cluster.stop()
            return status
        } catch {
            await cluster.stop()
            throw error
        }
    }

    /// The database of an embedded server.
    private static let database = "pgvigil"

    private static func createDatabase(_ cluster: EmbeddedCluster) async throws {
        do {
            try await cluster.createDatabase(database)
        } catch let error as PostgresError where error.sqlState == "42P04" {
            // It is there from an earlier start.
            return
        }
    }

    /// The login of the service in an embedded server: jobs run with its rights, so it is no superuser.
    private static let serviceRole = "pgvigil"

    private static func createServiceRole(_ conninfo: String) async throws {
        let connection = try await PostgresConnection.connect(
            PostgresConfiguration(conninfo: conninfo, applicationName: "pgvigil serve"))
        // An earlier start may have made it.
        let exists = try await connection.query("select to_regrole($1) is not null", [serviceRole]).first?[0] == "t"
        if !exists { try await connection.execute("create role \(serviceRole) login in role monitoring_service") }
        await connection.close()
    }

    /// An embedded server loads the library of pg_stat_statements when it is installed; its SQL objects belong to it.
    private static func createStatementStatistics(_ conninfo: String) async throws {
        let connection = try await PostgresConnection.connect(
            PostgresConfiguration(conninfo: conninfo, applicationName: "pgvigil serve"))
        let isLoaded = try await connection.query(
            "select current_setting('shared_preload_libraries') ~ 'pg_stat_statements'"
        ).first?[0]
        if isLoaded == "t" { try await connection.execute("create extension if not exists pg_stat_statements") }
        await connection.close()
    }

    private func startDemo(_ conninfo: String) async throws -> Demo? {
        guard let address = settings.demo else { return nil }
        return try await Demo.start(at: address, conninfo: conninfo, keys: invocation.keys())
    }

    // MARK: Serving

    private func serve(conninfo: String, _ jobs: JobsFile?) async throws -> ExitStatus {
        let secrets = try secretOpener()
        let closing = GracefulShutdown()
        let exporter = try makeExporter(conninfo, closing)
        if settings.embeddedDirectory == nil { try await prepareSchema(conninfo) }
        try await warnOfSuperuser(conninfo)
        let shutdown = invocation.shutdown
        let instance = InstanceID()
        let targets = TargetCollectionService(
            configuration: PostgresConfiguration(conninfo: conninfo, applicationName: "pgvigil targets"),
            secrets: secrets, instanceID: instance.description, sessions: settings.targetSessions,
            shutdown: shutdown, log: log)
        let jobTargets = JobTargets(
            PostgresConfiguration(conninfo: conninfo, applicationName: "pgvigil targets"), secrets, beside: targets)
        let scheduler = makeScheduler(conninfo, instance, jobs, jobTargets)
        let collection = CollectionService(
            configuration: PostgresConfiguration(conninfo: conninfo, applicationName: "pgvigil collector"),
            instanceID: instance.description, sessions: settings.collectSessions, shutdown: shutdown, log: log)
        exporter.registry.add(SchedulerMetrics(scheduler: scheduler))
        onReload(scheduler, exporter)
        let group = ServiceGroup(
            services: [scheduler, collection, targets, try delivery(conninfo, scheduler, secrets)]
                + HealthServices.all(
                    conninfo: conninfo, instanceID: instance.description, shutdown: shutdown, log: log)
                + archiving(conninfo, instance),
            closers: [exporter] + watchdog([scheduler.heartbeat, exporter.heartbeat], closing),
            closing: closing, shutdown: shutdown, drainLimit: settings.drain + .seconds(8), log: log)
        log.info(
            "serving", ["version": Program.version, "url": "\(scheme)://\(settings.address.host):\(exporter.port)/"])
        try await run(group, until: shutdown)
        await jobTargets.close()
        log.info("stopped")
        return .ok
    }

    private func run(_ group: ServiceGroup, until shutdown: GracefulShutdown) async throws {
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            tasks.addTask { [manager, log] in
                await shutdown.wait()
                manager.notify(.stopping)
                manager.notify(.status("draining"))
                log.info("stopping")
            }
            try await group.run()
        }
    }

    private func makeScheduler(
        _ conninfo: String, _ instance: InstanceID, _ jobs: JobsFile?, _ targets: JobTargets
    ) -> Scheduler {
        Scheduler(
            settings: schedulerSettings(conninfo), shutdown: invocation.shutdown, log: log, instance: instance,
            loadJobs: jobsLoader(jobs), openTarget: { name throws(PostgresError) in try await targets.open(name) })
    }

    private func delivery(
        _ conninfo: String, _ scheduler: Scheduler, _ secrets: SecretOpener
    ) throws -> DeliveryService {
        try DeliveryService(
            .init(
                configuration: PostgresConfiguration(conninfo: conninfo, applicationName: "pgvigil delivery"),
                instanceID: scheduler.instance.description, userAgent: "pgvigil/\(Program.version)",
                sender: settings.sender),
            secrets: secrets, shutdown: invocation.shutdown, log: log)
    }

    /// What looks after the store; archives are written only where a place is given.
    private func archiving(_ conninfo: String, _ instance: InstanceID) -> [any Service] {
        let rebuilder = IndexRebuilder(
            configuration: PostgresConfiguration(conninfo: conninfo, applicationName: "pgvigil maintenance"),
            shutdown: invocation.shutdown, log: log)
        guard let archive = settings.archive else { return [rebuilder] }
        return [
            rebuilder,
            ArchiveService(
                configuration: PostgresConfiguration(conninfo: conninfo, applicationName: "pgvigil archive"),
                settings: archive, instanceID: instance.description, shutdown: invocation.shutdown, log: log),
        ]
    }

    /// Without keys the service serves all the same; secrets then wait for one.
    private func secretOpener() throws(CommandFault) -> SecretOpener {
        do throws(SecretFault) {
            return try SecretOpener(invocation.keySource)
        } catch {
            throw CommandFault(error)
        }
    }

    /// Jobs run with the rights of this login: who may schedule one could do all that a superuser may.
    private func warnOfSuperuser(_ conninfo: String) async throws {
        let connection = try await PostgresConnection.connect(
            PostgresConfiguration(conninfo: conninfo, applicationName: "pgvigil serve"))
        let rows = try await connection.query("select current_setting('is_superuser')")
        await connection.close()
        guard rows.first?[0] == "on" else { return }
        log.warning(
            "serving as a superuser",
            ["remedy": "log in as a member of monitoring_service: every job has the rights of this login"])
    }

    private func onReload(_ scheduler: Scheduler, _ exporter: Exporter) {
        invocation.onReload { [log, manager] in
            log.info("reload asked for")
            manager.notify(.reloading)
            scheduler.reload()
            exporter.reload { manager.notify(.ready) }
        }
    }

    private var scheme: String { settings.security.certificatePath == nil ? "http" : "https" }

    /// Tells the service manager that all is alive, if it wants to hear it.
    private func watchdog(_ heartbeats: [Heartbeat], _ closing: GracefulShutdown) -> [any Service] {
        guard let interval = Watchdog.interval(environment: ProcessEnvironment.variables()) else { return [] }
        return [
            Watchdog(manager: manager, interval: interval, heartbeats: heartbeats, shutdown: closing, log: log)
        ]
    }

    /// Takes the port before anything is changed in the database.
    private func makeExporter(_ conninfo: String, _ closing: GracefulShutdown) throws -> Exporter {
        var configuration = ExporterConfiguration(
            host: settings.address.host, port: settings.address.port,
            database: PostgresConfiguration(
                conninfo: conninfo, applicationName: "pgvigil exporter", connectTimeout: .seconds(5)),
            version: Program.version, schemaVersion: try Self.newestMigration())
        configuration.cacheLifetime = settings.pageCache
        configuration.externalURL = settings.externalURL
        configuration.security = settings.security
        do {
            return try Exporter(
                configuration, shutdown: closing, draining: invocation.shutdown, log: log,
                onListening: { [manager, scheme] in
                    manager.notify(.ready)
                    manager.notify(.status("serving \(scheme)"))
                })
        } catch {
            throw CommandFault(
                error.isPortTaken ? .portTaken : .failed, error.description,
                remedy: "choose another address with --listen HOST:PORT or PGVIGIL_LISTEN")
        }
    }

    private static func newestMigration() throws -> String {
        let folder = "migrations/"
        let names = try SQLSource.embedded.files().map(\.path).filter { $0.hasPrefix(folder) }
        return names.map { String($0.dropFirst(folder.count).prefix(4)) }.max() ?? ""
    }

    /// Migrates when told to; else refuses a database that is not as this program needs it.
    private func prepareSchema(_ conninfo: String) async throws {
        let migrator = Migrator(
            database: PostgresConfiguration(conninfo: conninfo, applicationName: "pgvigil migrate"),
            options: Migrator.Options(toolVersion: Program.version))
        let status = try await migrator.status()
        if let fault = status.servingFault { throw fault }
        if settings.migrates, !status.faults.contains(where: { $0.kind == .newerSchema }) {
            let outcome = try await invocation.shutdown.withCancellationOnRequest { try await migrator.up() }
            if !outcome.changedNothing { log.info("migrated", ["applied": "\(outcome.applied.count)"]) }
            return
        }
        guard status.pending.isEmpty else {
            throw CommandFault(
                .driftOrPending, "the database lacks \(status.pending.count) migrations",
                remedy: "run: pgvigil migrate up, with the same --dsn; or add --migrate")
        }
        if !status.changedFiles.isEmpty {
            log.warning(
                "functions are of another version",
                ["files": "\(status.changedFiles.count)", "remedy": "run: pgvigil migrate up"])
        }
    }

    // MARK: Jobs

    private func schedulerSettings(_ conninfo: String) -> SchedulerSettings {
        var scheduling = SchedulerSettings(conninfo: conninfo, version: Program.version)
        scheduling.maximumSessions = settings.jobSessions
        scheduling.minimumSessions = min(scheduling.minimumSessions, settings.jobSessions)
        scheduling.drainLimit = settings.drain
        return scheduling
    }

    /// A file that is wrong from the start ends the command; later on the jobs in force stay.
    private func loadJobsOnce() async throws -> JobsFile? {
        guard let path = settings.jobsPath else { return nil }
        do {
            return try JobsFile.load(path: path)
        } catch {
            let database = settings.embeddedDirectory == nil ? invocation.database() : nil
            let faults = await JobsFileCommand.allFaults(of: error, database)
            for fault in faults { Terminal.printError("\(fault)") }
            throw CommandFault(.usage, "\(path) is not accepted", remedy: "mend the \(faults.count) faults above")
        }
    }

    private static func readableFile(_ path: String) throws(ConfigurationError) -> JobsFile {
        do {
            return try JobsFile.load(path: path)
        } catch {
            guard let file = error.readable else { throw error }
            return file
        }
    }

    private func jobsLoader(_ first: JobsFile?) -> (@Sendable () throws -> JobsDocument)? {
        guard let path = first?.path else { return nil }
        return {
            // A file with faults goes to the database too, which adds those it finds and refuses it.
            let file = try Self.readableFile(path)
            return JobsDocument(source: file.source, generation: file.generation, json: file.json)
        }
    }
}
