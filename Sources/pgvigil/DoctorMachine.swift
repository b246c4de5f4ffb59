import Migrations
import Postgres
import Runtime

/// What SQL cannot find out: the way to the server, its clock beside ours, the disk under it, this program's version.
struct DoctorMachine {
    let connection: PostgresConnection

    /// A pooler hands every transaction to another session: locks and settings of a session mean nothing behind it.
    func pooler() async throws -> DoctorFinding {
        let pid = try await connection.query("select pg_backend_pid()").scalar
        guard pid != String(connection.backendPID) else {
            return .inOrder("pooler", "the connection reaches the server itself")
        }
        return DoctorFinding(
            check: "pooler", severity: .error, subject: "connection",
            finding: "a connection pooler stands between pgvigil and the server: serve and migrate refuse it",
            evidence: "process \(connection.backendPID) greeted us, process \(pid ?? "?") answers",
            remedy: "pgvigil serve --dsn 'host=... port=...' with host and port of the server itself",
            place: "the service's configuration (PGVIGIL_DSN, PGHOST, PGPORT)")
    }

    /// The database's clock decides everything; a log or a certificate read here goes by ours.
    func clock() async throws -> DoctorFinding {
        var questions: [ClockDifference] = []
        for _ in 0..<5 {
            let before = ClockDifference.ownClock()
            let answer = try await connection.query("select extract(epoch from clock_timestamp())").scalar
            let after = ClockDifference.ownClock()
            guard let other = answer.flatMap(Double.init) else { continue }
            questions.append(ClockDifference(before: before, other: other, after: after))
        }
        return Self.finding(ClockDifference.best(of: questions) ?? ClockDifference(before: 0, other: 0, after: 0))
    }

    /// What a difference of clocks amounts to.
    static func finding(_ clock: ClockDifference) -> DoctorFinding {
        guard clock.certainSeconds >= 0.5 else {
            return .inOrder("clock", "the clocks of this machine and of the server agree")
        }
        let milliseconds = Int(clock.seconds.magnitude * 1000)
        return DoctorFinding(
            check: "clock", severity: clock.certainSeconds >= 5 ? .warning : .notice, subject: "this machine",
            finding: "the server's clock is \(milliseconds) ms \(clock.seconds > 0 ? "ahead of" : "behind") ours",
            evidence: "measured to within \(Int(clock.uncertainty * 1000) + 1) ms by the round trip",
            remedy: "timedatectl set-ntp true", place: "shell of the machine whose clock is wrong, as root")
    }

    /// The room of each folder that the server fills, where it is on this machine.
    func disks() async throws -> [DoctorFinding] {
        let isHere =
            "select coalesce(inet_server_addr() = inet_client_addr(), inet_server_addr() is null)"
        guard try await connection.query(isHere).scalar == "t" else {
            return [.inOrder("disk", "the server is on another machine: its disks are not looked at")]
        }
        var findings: [DoctorFinding] = []
        for row in try await connection.query("select * from monitoring_internal.server_folders()") {
            guard let folder = row["folder"], let room = DiskRoom(folder: folder) else { continue }
            if let finding = Self.finding(room, purpose: row["purpose"] ?? "", folder: folder) {
                findings.append(finding)
            }
        }
        return findings.isEmpty ? [.inOrder("disk", "the folders of the server have room")] : findings
    }

    /// What little room amounts to; nil for enough.
    static func finding(_ room: DiskRoom, purpose: String, folder: String) -> DoctorFinding? {
        guard room.freeShare < 0.1 else { return nil }
        let megabytes = room.available / 1_048_576
        return DoctorFinding(
            check: "disk", severity: room.freeShare < 0.05 ? .error : .warning, subject: "\(purpose) in \(folder)",
            finding: "the disk is nearly full: a full one stops the server",
            evidence: "\(megabytes) MB free, \(Int(room.freeShare * 1000)) per mille",
            remedy: "du -xh --max-depth=2 \(folder) | sort -h | tail",
            place: "shell of the server, as its user; then free or add room")
    }

    /// Whether the schema is the one this program needs.
    static func schema(_ migrator: Migrator) async throws -> DoctorFinding {
        let status: Migrator.Status
        do {
            status = try await migrator.status()
        } catch let fault as MigrationFault {
            guard fault.kind != .poolerBetween else {
                return .inOrder("schema", "not looked at through a pooler")
            }
            return schemaFinding(.error, fault.message, "status refused", fault.remedy)
        }
        if let fault = status.faults.first { return schemaFinding(.error, fault.message, "the ledger", fault.remedy) }
        guard status.pending.isEmpty else {
            return schemaFinding(
                .error, "the database lacks \(status.pending.count) migrations", "first of them \(status.pending[0])",
                "pgvigil migrate up")
        }
        guard status.changedFiles.isEmpty else {
            return schemaFinding(
                .warning, "functions and views are of another version", "\(status.changedFiles.count) files differ",
                "pgvigil migrate up")
        }
        return .inOrder("schema", "the schema is the one this program needs")
    }

    private static func schemaFinding(
        _ severity: DoctorFinding.Severity, _ finding: String, _ evidence: String, _ remedy: String
    ) -> DoctorFinding {
        DoctorFinding(
            check: "schema", severity: severity, subject: "monitoring", finding: finding, evidence: evidence,
            remedy: remedy, place: "shell, with the same --dsn, as the role that installed pgvigil")
    }
}
