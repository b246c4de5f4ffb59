import Migrations
import Postgres
import TestSupport
import Testing

/// Every file that undoes a migration is executed: applied, undone, and applied again.
@Suite struct RollbackTests {
    @Test("every migration with a down file is undone without a trace, and applied again alike")
    func everyDownFile() async throws {
        let files = try SQLSource.embedded.files().filter { $0.path.hasPrefix("migrations/") }
        let migrations = files.filter { !$0.path.hasSuffix(".down.sql") }.sorted { $0.path < $1.path }
        var undone = 0
        try await TestDatabase.withDatabase(.empty) { database in
            for migration in migrations {
                let before = try await State.of(database)
                try await run(migration, database)
                let down = files.first { $0.path == migration.path.dropLast(4) + ".down.sql" }
                guard let down else { continue }
                let after = try await State.of(database)
                // What drops functions of older releases finds none here.
                #expect(
                    !Catalog.differences(before.catalog, after.catalog).isEmpty || before.rows != after.rows
                        || dropsFunctionsOnly(migration))
                try await run(down, database)
                #expect(try await State.of(database).differences(from: before) == [], "\(down.path)")
                try await run(migration, database)
                #expect(try await State.of(database).differences(from: after) == [], "\(migration.path)")
                undone += 1
            }
        }
        #expect(undone >= 7)
    }

    @Test("migrations are undone and applied again where series are stored and jobs ask for what is new")
    func withData() async throws {
        let files = try SQLSource.embedded.files().filter { $0.path.hasPrefix("migrations/") }
        let migrations = files.filter { !$0.path.hasSuffix(".down.sql") }.sorted { $0.path < $1.path }
        try await TestDatabase.withDatabase(.empty) { database in
            for migration in migrations { try await run(migration, database) }
            try await Installation.withConnection(database) { connection in
                try await connection.execute(Self.stored)
            }
            for migration in migrations.reversed() {
                let down = files.first { $0.path == migration.path.dropLast(4) + ".down.sql" }
                guard let down else { continue }
                try await run(down, database)
                guard migration.path.contains("/0012_") else { continue }
                let retired = try await Installation.withConnection(database) { connection in
                    try await connection.query(
                        "select name from monitoring.jobs where retired_at is not null order by name")
                }
                #expect(
                    retired.map { $0["name"] } == ["abroad", "borrowed"],
                    "without run_as it would have the service's rights, without targets it would run here")
            }
            for migration in migrations
            where files.contains(where: { $0.path == migration.path.dropLast(4) + ".down.sql" }) {
                try await run(migration, database)
            }
        }
    }

    /// A series of each family, a job as of old, and those that are less than they say without their role or targets.
    private static let stored = """
        insert into monitoring.series (tenant_id, metric_family_id, labels)
        select tenant.tenant_id, family.metric_family_id, '{}'
        from monitoring.metric_families as family
        cross join monitoring.tenants as tenant
        where tenant.is_system;
        insert into monitoring.jobs (
            name, schedule, command, mode, time_zone, dst, overlap, misfire, timeout, lock_timeout, spread, start_delay,
            history, is_enabled, description, source, run_as)
        select job.name, '@daily', 'select 1', 'transaction', 'UTC', 'once', job.overlap, 'last', '1 min', '1s', '0', '0',
            'all', true, '', 'sql', job.run_as
        from (values ('plain', 'skip', null), ('borrowed', 'queue', 'monitoring_admin')) as job (name, overlap, run_as);
        insert into monitoring.alert_pack_rules (rule_name, definition, loaded_in)
        values ('seeded', '{}', pg_current_xact_id());
        insert into monitoring.alert_rules (rule_name, metric_name, comparison_operator, critical_threshold)
        values ('slow', 'load', 'gt', 1), ('down', 'alive', 'lt', 1);
        insert into monitoring.alert_dependencies (rule_no, depends_on_rule_no)
        select slow.rule_no, down.rule_no from monitoring.alert_rules as slow, monitoring.alert_rules as down
        where slow.rule_name = 'slow' and down.rule_name = 'down';
        insert into monitoring.business_hours (tenant_id, weekday, from_time, to_time)
        select tenant.tenant_id, 1, '09:00', '17:00' from monitoring.tenants as tenant;
        insert into monitoring.alert_silences (matchers, comment, ends_at) values ('{"host": "a"}', 'known', now());
        insert into monitoring.people (name) values ('anna');
        insert into monitoring.heartbeats (name, sealed_url) values ('seeded', 'pgvigil:v1:01234567:QUJDRA==');
        insert into monitoring.on_call_schedules (name) values ('primary');
        insert into monitoring.escalation_policies (name) values ('seeded');
        insert into monitoring.audit_logs (tenant_id, role_name, action, resource_type, resource_id)
        select tenant.tenant_id, 'somebody', 'tenant_changed', 'tenant', tenant.name from monitoring.tenants as tenant;
        insert into monitoring.archives (retention_class, day) values ('compliance', '2026-01-01');
        insert into monitoring.retention_states (retention_class, resolution, gone_until)
        values ('standard', 'raw', '2026-01-01');
        insert into monitoring_internal.metric_horizons (metric_family_id, resolution, gone_until)
        select metric_family_id, 'raw', '2026-01-01' from monitoring.metric_families limit 1;
        update monitoring.retention_classes set archive_retention = '20 years' where name = 'compliance';
        insert into monitoring.backup_checks (source) values ('base backup');
        insert into monitoring.backup_checks (source, state, finished_at) values ('base backup', 'interrupted', now());
        insert into monitoring.table_sizes values ('monitoring.x', now(), 1, 1, 1, 0);
        insert into monitoring.targets (name, tenant_id, conninfo)
        select 'north', tenant_id, 'host=north.example' from monitoring.tenants where is_system;
        insert into monitoring.jobs (
            name, schedule, command, mode, time_zone, dst, overlap, misfire, timeout, lock_timeout, spread, start_delay,
            history, is_enabled, description, source, is_fanned_out, targets)
        values ('abroad', '@daily', 'select 1', 'transaction', 'UTC', 'once', 'skip', 'last', '1 min', '1s', '0', '0',
            'all', true, '', 'sql', true, '{all}');
        insert into monitoring.job_leases (
            job_id, slot, target, target_id, planned_at, claimable_at, is_folded, is_transactional, waits_for)
        select job.job_id, now(), target.name, target.target_id, now(), now(), false, false, 'target'
        from monitoring.jobs as job
        cross join monitoring.targets as target
        where job.name = 'abroad' and target.name = 'north';
        create table monitoring_partitions.appended_seeded partition of monitoring.appended_samples
        for values from ('2026-03-01') to ('2026-03-02');
        insert into monitoring.appended_samples (series_id, sampled_at, value)
        values (1, '2026-03-01 12:00Z', 1), (1, '2026-03-01 12:00Z', 2);
        insert into monitoring_internal.ingest_batches (batch_id, tenant_id, ingested_at, sample_count)
        values (gen_random_uuid(), gen_random_uuid(), now(), 1);
        update monitoring.partition_policies set mode = 'append', partition_interval = '10 min'
        where table_name = 'monitoring.samples';
        insert into monitoring.job_target_totals (job_id, target_id, last_status, last_slot_at, last_finished_at)
        select lease.job_id, lease.target_id, 'succeeded', now(), now() from monitoring.job_leases as lease;
        """

    @Test("a file that forgets a column or a row does not pass for one that undoes")
    func forgetful() async throws {
        try await TestDatabase.withDatabase { database in
            let before = try await State.of(database)
            try await Installation.withConnection(database) { connection in
                try await connection.execute("alter table monitoring.tenants add column forgotten integer")
            }
            #expect(try await State.of(database).differences(from: before).count >= 1)
            try await Installation.withConnection(database) { connection in
                try await connection.execute("alter table monitoring.tenants drop column forgotten")
                try await connection.execute("delete from monitoring.settings where name = 'store.max_past'")
            }
            #expect(try await State.of(database).differences(from: before).count >= 1)
        }
    }

    /// Whether a migration has no other statement than those that drop a function, if it is there.
    private func dropsFunctionsOnly(_ file: SQLFile) -> Bool {
        let code = file.text.split(separator: "\n").filter { !$0.hasPrefix("--") }.joined(separator: " ")
        let statements = code.split(separator: ";").map { $0.drop { $0 == " " } }.filter { !$0.isEmpty }
        return statements.allSatisfy { $0.hasPrefix("drop function if exists ") }
    }

    private func run(_ file: SQLFile, _ database: Database) async throws {
        try await Installation.withConnection(database) { connection in
            let asInstaller = file.text.contains("--! as-installer")
            let role = asInstaller ? "reset role;" : "set role monitoring_owner;"
            try await connection.execute("begin; \(role)\n\(file.text)\ncommit")
        }
    }

    /// What a database holds: its catalogue, and the rows of each table.
    private struct State {
        let catalog: [CatalogObject]
        let rows: [String: String]

        static func of(_ database: Database) async throws -> State {
            let rows = try await Installation.withConnection(database) { connection in
                try await connection.query(Self.counts)
            }
            var counted: [String: String] = [:]
            for row in rows { counted[row["name"] ?? ""] = row["count"] }
            return State(catalog: try await Installation.catalog(database), rows: counted)
        }

        func differences(from other: State) -> [String] {
            let names = Set(rows.keys).union(other.rows.keys).sorted()
            return Catalog.differences(other.catalog, catalog)
                + names.filter { rows[$0] != other.rows[$0] }.map { "rows of \($0)" }
        }

        private static let counts = """
            select c.oid::regclass::text as name,
                (xpath('//count/text()', query_to_xml(
                    format('select count(*) as count from %s', c.oid::regclass), true, false, '')))[1]::text as count
            from pg_class as c
            inner join pg_namespace as n on n.oid = c.relnamespace
            where c.relkind in ('r', 'p') and n.nspname like 'monitoring%'
            """
    }
}
