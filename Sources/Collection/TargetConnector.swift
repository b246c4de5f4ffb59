import Postgres
import Runtime
import Secrets

/// Opens connections to targets: with the secret opened, under a deadline that nothing on the network can stretch.
struct TargetConnector: Sendable {
    /// How the store itself is reached: for other databases of its own server.
    let home: PostgresConfiguration
    let secrets: SecretOpener
    let clock: any Clock<Duration>
    /// Which of a target's hosts answered last.
    private let firstHosts = Lock<[Int: Int]>([:])

    init(home: PostgresConfiguration, secrets: SecretOpener, clock: any Clock<Duration>) {
        self.home = home
        self.secrets = secrets
        self.clock = clock
    }

    /// Connects; of several hosts each gets the time limit once, the one that answered last first.
    ///
    /// - Throws: kind usage with SQLSTATE PV606 for a secret that does not open; SQLSTATE 28P01 when a password is
    ///   wanted and there is none; else as connecting does.
    func connect(_ target: TargetDescription) async throws(PostgresError) -> PostgresConnection {
        let password = try password(of: target)
        let hosts = try HostList(target.conninfo ?? home.conninfo)
        let first = firstHosts.withLock { $0[target.targetID] } ?? 0
        var failure: PostgresError?
        for shift in 0..<max(hosts.count, 1) {
            let position = (first + shift) % max(hosts.count, 1)
            do throws(PostgresError) {
                let connection = try await patientAttempt(target, password, hosts.overrides(from: position))
                firstHosts.withLock { $0[target.targetID] = position }
                return connection
            } catch {
                // libpq itself goes on to the next host after any answer; it does not after silence.
                guard error.kind == .timeout else { throw error }
                failure = error
            }
        }
        throw failure ?? PostgresError(kind: .usage, attempted: "connect", message: "malformed connection string")
    }

    /// A session that we closed a moment ago may still count for the role's limit: that is waited for.
    private func patientAttempt(
        _ target: TargetDescription, _ password: SecretBytes?, _ hosts: [String: String]
    ) async throws(PostgresError) -> PostgresConnection {
        var pauses: [Duration] = [.milliseconds(50), .milliseconds(200), .milliseconds(500)]
        while true {
            do throws(PostgresError) {
                return try await attempt(target, password, hosts)
            } catch {
                guard error.sqlState == "53300", !pauses.isEmpty else { throw error }
                guard (try? await clock.sleep(for: pauses.removeFirst())) != nil else { throw error }
            }
        }
    }

    private func attempt(
        _ target: TargetDescription, _ password: SecretBytes?, _ hosts: [String: String]
    ) async throws(PostgresError) -> PostgresConnection {
        var overrides = hosts
        overrides["dbname"] = target.database
        let configuration = PostgresConfiguration(
            conninfo: target.conninfo ?? home.conninfo, overrides: overrides, password: password,
            applicationName: "pgvigil", connectTimeout: target.connectLimit, connectLimit: target.connectLimit,
            cancelLimit: .seconds(2))
        do throws(PostgresError) {
            return try await Deadline.run(target.connectLimit + .milliseconds(500), clock) { () throws(PostgresError) in
                try await PostgresConnection.connect(configuration)
            }
        } catch {
            var error = error
            if error.sqlState == nil, error.hint != nil, error.kind == .connection { error.sqlState = "28P01" }
            if error.kind == .timeout { error.message = "no answer within \(target.connectLimit)" }
            throw error
        }
    }

    private func password(of target: TargetDescription) throws(PostgresError) -> SecretBytes? {
        guard let sealed = target.sealedSecret else {
            // What PGPASSWORD, a password file or a service file hold is the store's: no target may ask for it.
            return target.conninfo == nil ? nil : SecretBytes(Array("none".utf8))
        }
        do throws(SecretFault) {
            return try secrets.open(sealed, context: target.sealContext)
        } catch {
            throw PostgresError(
                kind: .usage, attempted: "connect", sqlState: "PV606", message: error.message, hint: error.remedy)
        }
    }
}

/// The hosts of a connection string, in an order that begins anywhere.
struct HostList {
    private let lists: [String: [String]]

    /// The number of hosts; 0 when the string names none.
    let count: Int

    init(_ conninfo: String) throws(PostgresError) {
        guard !conninfo.isEmpty else {
            (lists, count) = ([:], 0)
            return
        }
        let values = try ConnectionText(conninfo).values
        var lists: [String: [String]] = [:]
        for name in ["host", "hostaddr", "port"] {
            let items = values[name]?.split(separator: ",", omittingEmptySubsequences: false).map { String($0) } ?? []
            if items.count > 1 { lists[name] = items }
        }
        self.lists = lists
        count = lists["host"]?.count ?? lists["hostaddr"]?.count ?? (values["host"] == nil ? 0 : 1)
    }

    /// What to tell libpq so that it begins with the host at the position; nothing for the order as it is.
    func overrides(from position: Int) -> [String: String] {
        guard position > 0 else { return [:] }
        return lists.mapValues { items in
            (items[min(position, items.count)...] + items[..<min(position, items.count)]).joined(separator: ",")
        }
    }
}

/// A limit that holds even where the work itself does not look at the clock.
enum Deadline {
    /// Runs `body`; when the time has passed, it is cancelled, and kind timeout thrown.
    static func run<R: Sendable>(
        _ limit: Duration, _ clock: any Clock<Duration>,
        _ body: @escaping @Sendable () async throws(PostgresError) -> R
    ) async throws(PostgresError) -> R {
        let outcome = await withTaskGroup(of: Result<R, PostgresError>?.self) { group in
            group.addTask {
                do throws(PostgresError) {
                    return .success(try await body())
                } catch {
                    return .failure(error)
                }
            }
            group.addTask {
                try? await clock.sleep(for: limit)
                return nil
            }
            defer { group.cancelAll() }
            return await group.next() ?? nil
        }
        guard let outcome else {
            throw PostgresError(
                kind: Task.isCancelled ? .cancelled : .timeout, attempted: "connect", message: "the time limit passed")
        }
        return try outcome.get()
    }
}
