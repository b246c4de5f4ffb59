import EmbeddedPostgres
import Glibc
import Postgres
import Runtime
import TestSupport
import Testing

/// Each fault is made on a private cluster, found, mended by the statement that the finding prints, and gone.
@Suite(.serialized, .timeLimit(.minutes(10))) struct DoctorTests {
    @Test func settingsAndTheExtensionAreMendedByTheirStatements() async throws {
        let settings = [
            "shared_preload_libraries": "", "track_io_timing": "off", "compute_query_id": "off",
            "track_activity_query_size": "1024", "track_counts": "off",
        ]
        try await Patient.with(settings) { patient in
            let wanted = [
                "fsync", "full_page_writes", "autovacuum", "track_io_timing", "compute_query_id", "track_counts",
                "track_activity_query_size", "client_connection_check_interval", "idle_in_transaction_session_timeout",
            ]
            for name in wanted { #expect(try await patient.finds("settings", name), "\(name)") }
            #expect(try await patient.remedies("statements", "pg_stat_statements").count == 2)
            let before = try await CommandLineProgram.run(["doctor", "--dsn", patient.conninfo])
            #expect(before.ending == .exited(40), "\(before.errors)")
            #expect(before.output.contains("error: settings: fsync: a crash of the machine can destroy the cluster"))
            #expect(before.output.contains("    mend   alter system set fsync = 'on';\n"))

            for name in wanted { try await patient.mend("settings", name) }
            try await patient.mend("statements", "pg_stat_statements")
            try await patient.restart()
            for check in ["settings", "statements"] {
                try await patient.eventually("\(check) are in order") { try await patient.isInOrder(check) }
            }
            try await patient.mend("roles", "monitoring_service")
            let after = try await CommandLineProgram.run(["doctor", "--dsn", patient.conninfo, "--all"])
            #expect(after.ending == .exited(0), "\(after.output)\(after.errors)")
            #expect(after.output.contains("ok: settings: "))
            #expect(after.output.contains("ok: pooler: the connection reaches the server itself"))
            #expect(after.output.contains("ok: clock: "))
        }
    }

    @Test func anOldExtensionAndAPendingChangeAreMended() async throws {
        try await Patient.with { patient in
            try await patient.admin.execute(
                "drop extension if exists pg_stat_statements; create extension pg_stat_statements version '1.9'")
            #expect(try await patient.finds("statements", "pg_stat_statements"))
            try await patient.mend("statements", "pg_stat_statements")
            #expect(try await patient.isInOrder("statements"))
            _ = try await patient.admin.query("alter system set max_connections = 150")
            _ = try await patient.admin.query("select pg_reload_conf()")
            try await patient.eventually("it is seen") { try await patient.finds("settings", "max_connections") }
            #expect(
                try await patient.remedies("settings", "max_connections")[0].hasPrefix("pg_ctl restart -m fast -D '"))
            try await patient.restart()
            #expect(try await !patient.finds("settings", "max_connections"))
        }
    }

    @Test func whoHoldsBackVacuumIsNamedAndEnded() async throws {
        try await Patient.with(["max_prepared_transactions": "5"]) { patient in
            let session = try await PostgresConnection.connect(patient.configuration)
            _ = try await session.query("begin")
            _ = try await session.query("select pg_current_xact_id()")
            try await patient.admin.execute("create table ledger (entry integer)")
            for statement in ["begin", "insert into ledger values (1)", "prepare transaction 'it''s left'"] {
                _ = try await patient.admin.query(statement)
            }
            _ = try await patient.admin.query("select pg_create_physical_replication_slot('nobody_s', true)")
            let subjects = [
                "session \(session.backendPID)", "prepared transaction 'it''s left'", "replication slot nobody_s",
            ]
            for subject in subjects {
                #expect(try await patient.finds("horizon", subject, hoursLater: 2), "\(subject)")
                try await patient.mend("horizon", subject, hoursLater: 2)
                try await patient.eventually("\(subject) is gone") {
                    try await !patient.finds("horizon", subject, hoursLater: 2)
                }
            }
            let lost = await #expect(throws: PostgresError.self) { try await session.query("select 1") }
            #expect(lost != nil)
        }
    }

    @Test func aQueryOnAStandbyThatHoldsBackVacuumIsEndedThere() async throws {
        let settings = ["hot_standby_feedback": "on", "wal_receiver_status_interval": "1s"]
        let options = try await TestCluster.migrated(EmbeddedCluster.Options(settings: settings))
        try await TestCluster.withStandby(options, prepare: { _ in }) { primary, standby in
            try await Patient.with(primary, hasStatements: true) { patient in
                let query = try await PostgresConnection.connect(standby.configuration())
                _ = try await query.query("begin isolation level repeatable read")
                _ = try await query.query("select count(*) from pg_class")
                try await patient.eventually("its horizon is known here") {
                    try await patient.admin.query(
                        "select count(backend_xmin) from pg_stat_replication"
                    ).scalar == "1"
                }
                // Each subtransaction that writes takes a transaction id.
                try await patient.admin.execute(
                    """
                    create table burnt (n integer);
                    do $$ begin
                        for i in 1..100100 loop
                            begin
                                insert into burnt values (i);
                            exception when division_by_zero then null;
                            end;
                        end loop;
                    end $$;
                    """)
                try await patient.eventually("it is found") {
                    try await patient.finds("horizon", "standby walreceiver")
                }
                let remedy = try await patient.remedies("horizon", "standby walreceiver")[0]
                let admin = try await PostgresConnection.connect(standby.configuration())
                let position = try await patient.admin.query("select pg_current_wal_lsn()").scalar
                // The age of a horizon is counted by what the standby has seen so far.
                try await patient.eventually("the standby has caught up") {
                    try await admin.query("select pg_last_wal_replay_lsn() >= $1::pg_lsn", [position]).scalar == "t"
                }
                _ = try await admin.query(remedy)
                try await patient.eventually("it is gone") { try await patient.isInOrder("horizon") }
                await admin.close()
                await query.close()
            }
        }
    }

    @Test func invalidIndexesAreDroppedOrBuiltAgain() async throws {
        try await Patient.with { patient in
            try await patient.admin.execute(
                """
                create table shop (item integer);
                insert into shop values (1), (1);
                create index shop_left_idx on shop (item);
                update pg_index set indisvalid = false where indexrelid = 'shop_left_idx'::regclass;
                """)
            let failure = await #expect(throws: PostgresError.self) {
                try await patient.admin.query("create unique index concurrently shop_item_key on shop (item)")
            }
            #expect(failure?.sqlState == "23505")
            for name in ["shop_left_idx", "shop_item_key"] {
                #expect(try await patient.finds("indexes", "public.\(name)"))
                try await patient.mend("indexes", "public.\(name)")
            }
            #expect(try await patient.isInOrder("indexes"))
        }
    }

    @Test func archivingThatFailsShowsWhyAndGoesOn() async throws {
        let folder = "/tmp/pgvigil-archive-\(getpid())-\(Int(ClockDifference.ownClock()))"
        let settings = ["archive_mode": "on", "archive_command": "cp %p \(folder)/%f", "wal_level": "replica"]
        try await Patient.with(settings) { patient in
            _ = try await patient.admin.query("create table written (n integer)")
            _ = try await patient.admin.query("select pg_switch_wal()")
            try await patient.eventually("it fails") { try await patient.finds("archiving", "archive_command") }
            let remedy = try await patient.remedies("archiving", "archive_command")[0]
            #expect(remedy.hasPrefix("cp pg_wal/0000") && remedy.contains("\(folder)/0000"))
            mkdir(folder, 0o777)
            chmod(folder, 0o777)
            try await patient.eventually("it goes on") { try await patient.isInOrder("archiving") }
        }
        _ = try? await CommandLineProgram.start(
            ["embedded", "--", "rm", "-r", folder], output: "/dev/null", errors: "/dev/null"
        )
        .wait()
    }

    @Test func partitionsBehindAreMade() async throws {
        try await Patient.with { patient in
            let name = try await patient.admin.query(
                "select max(partition_name) from monitoring.partitions where table_name = 'monitoring.samples' "
                    + "and not is_default"
            ).scalar
            let partition = try #require(name)
            try await patient.admin.execute("drop table monitoring_partitions.\(partition)")
            #expect(try await patient.finds("partitions", "monitoring.samples"))
            try await patient.mend("partitions", "monitoring.samples")
            #expect(try await patient.isInOrder("partitions"))
        }
    }

    @Test func aServiceAtWorkAndAJobThatSucceedsAreWhatMends() async throws {
        try await Patient.with { patient in
            #expect(try await patient.finds("service", "pgvigil_doctor"))
            try await patient.mend("roles", "monitoring_service")
            #expect(try await patient.isInOrder("roles"))
            _ = try await patient.admin.query(
                "select monitoring.schedule_job('broken', '@yearly', 'select monitoring.doctor_not()')")
            _ = try await patient.admin.query("select monitoring.run_job('broken')")
            try await ServeProcess.with(["--dsn", patient.conninfo]) { process, _ in
                try await patient.eventually("the service is seen") { try await patient.isInOrder("service") }
                try await patient.eventually("it is seen to be a superuser") {
                    try await patient.finds("roles", "postgres")
                }
                #expect(try await patient.remedies("roles", "postgres") == ["PGUSER=pgvigil pgvigil serve"])
                try await patient.eventually("the job fails") { try await patient.finds("jobs", "broken") }
                try await patient.admin.execute(
                    "create function monitoring.doctor_not() returns integer language sql return 1")
                try await patient.mend("jobs", "broken")
                try await patient.eventually("the job succeeds") { try await patient.isInOrder("jobs") }
                #expect(await process.stop() == .exited(0))
            }
            try await ServeProcess.with(["--dsn", patient.conninfo(user: "pgvigil")]) { process, _ in
                try await patient.eventually("the service is a plain role") { try await patient.isInOrder("roles") }
                #expect(await process.stop() == .exited(0))
            }
        }
    }

    @Test func aTargetIsExaminedWhereNothingIsInstalled() async throws {
        try await Patient.with { patient in
            try await TestCluster.withCluster(EmbeddedCluster.Options(settings: ["track_io_timing": "off"])) { far in
                let there = try await PostgresConnection.connect(far.configuration())
                try await there.execute("create role watcher login")
                let conninfo = "host=\(far.socketDirectory) port=5432 user=watcher"
                let added = try await CommandLineProgram.run(
                    ["targets", "add", "far", "--conninfo", conninfo, "--no-password", "--dsn", patient.conninfo])
                #expect(added.ending == .exited(0), "\(added.errors)")
                let arguments = ["doctor", "--target", "far", "--dsn", patient.conninfo]
                let before = try await CommandLineProgram.run(arguments)
                #expect(before.ending == .exited(40), "\(before.errors)")
                #expect(before.output.contains("notice: settings: track_io_timing: "))
                let remedies = ["grant pg_monitor to watcher;", "create extension pg_stat_statements;"]
                for remedy in remedies {
                    #expect(before.output.contains("    mend   \(remedy)\n"), "\(before.output)")
                    _ = try await there.query(remedy)
                }
                let after = try await CommandLineProgram.run(arguments)
                for remedy in remedies { #expect(!after.output.contains(remedy)) }
                await there.close()
                await far.stop()
                let gone = try await CommandLineProgram.run(arguments)
                #expect(gone.ending == .exited(40))
                #expect(gone.output.contains("error: targets: far: the server cannot be asked"), "\(gone.output)")
            }
        }
    }

    @Test func littleRoomForSessionsIsSeen() async throws {
        try await Patient.with(["max_connections": "20"]) { patient in
            var sessions: [PostgresConnection] = []
            for _ in 0..<14 { sessions.append(try await PostgresConnection.connect(patient.configuration)) }
            try await patient.eventually("they are counted") {
                try await patient.finds("connections", "max_connections")
            }
            try await patient.mend("connections", "max_connections")
            for session in sessions { await session.close() }
            try await patient.restart()
            #expect(try await patient.admin.query("show max_connections").scalar == "40")
            #expect(try await patient.isInOrder("connections"))
        }
    }

    @Test func aDatabaseWithoutPgvigilAndARoleWithoutRightsAreFindings() async throws {
        try await Patient.with { patient in
            let empty = try await CommandLineProgram.run(
                ["doctor", "--json", "--dsn", patient.cluster.conninfo(database: "postgres")])
            #expect(empty.ending == .exited(40))
            #expect(empty.output.contains(#""check":"schema","severity":"error""#))
            #expect(empty.output.contains(#""remedy":"pgvigil migrate up""#))
            try await patient.admin.execute("create role nobody login")
            let refused = try await CommandLineProgram.run(["doctor", "--dsn", patient.conninfo(user: "nobody")])
            #expect(refused.ending == .exited(40), "\(refused.output)\(refused.errors)")
            #expect(refused.output.contains("    mend   grant monitoring_admin to nobody;"))
            try await patient.admin.execute("grant monitoring_admin to nobody;")
            let allowed = try await CommandLineProgram.run(
                ["doctor", "--json", "--dsn", patient.conninfo(user: "nobody")])
            #expect(allowed.output.contains(#""check":"partitions","severity":"ok""#), "\(allowed.errors)")
        }
    }
}
