import Glibc
import Runtime

/// One psql file that does what `up` does: for those who let no program but psql near their database.
struct InstallScript {
    /// What is applied, in order.
    let pending: [MigrationFile]
    /// What has to be there already, in order.
    let present: [MigrationFile]
    let reloadable: [SQLFile]
    let options: Migrator.Options

    /// The whole file.
    var text: String {
        let newest = (present + pending).last?.version ?? "none"
        return [
            header(newest), guardState, pending.map(migration).joined(), ReloadScript(files: reloadable).text,
            Self.partitions, "\\echo pgvigil: the schema is at \(newest)\n",
        ].joined(separator: "\n")
    }

    private func header(_ newest: String) -> String {
        """
        -- pgvigil \(options.toolVersion): the schema up to migration \(newest), \
        from \(present.last.map { "migration \($0.version)" } ?? "nothing").
        -- Run it with psql from 15 on, as the role that installs: psql -X -f FILE
        -- Not with -1: each migration is a transaction of its own. It stops at the first error, with status 3; what was
        -- applied until then stays, and the rest comes from: pgvigil migrate script --from VERSION
        \\set ON_ERROR_STOP on
        \\set ON_ERROR_ROLLBACK off
        \\set AUTOCOMMIT on
        \\set QUIET on
        set client_encoding = 'UTF8';
        \(MigrationSession.settings)
        """
    }

    /// Refuses a server, or a database in another state, before anything is changed; takes the lock of all migrations.
    private var guardState: String {
        let expected = present.map { "\($0.version) \($0.file.checksum)" }.joined(separator: ", ")
        let body = """

            declare
                v_expected constant text := nullif(\(SQLText.literal(expected)), '');
                v_found text;
                v_versions text;
            begin
                if current_setting('server_version_num')::integer < \(Preflight.oldestServer) then
                    raise exception 'pgvigil needs PostgreSQL \(Preflight.oldestServer / 10_000) or newer'
                        using errcode = 'feature_not_supported';
                end if;
                if pg_is_in_recovery() then
                    raise exception 'this server is a standby and takes no changes'
                        using errcode = 'read_only_sql_transaction', hint = 'Connect to the primary.';
                end if;
                if not pg_try_advisory_lock(\(MigrationLock.key)) then
                    raise exception 'another migration of this database is running'
                        using errcode = 'lock_not_available', hint = 'Wait for it, and run this file again.';
                end if;
                if to_regclass('monitoring.schema_migrations') is not null then
                    execute 'select string_agg(version || '' '' || checksum, '', '' order by version), '
                        'string_agg(version, '', '' order by version) from monitoring.schema_migrations'
                        into v_found, v_versions;
                end if;
                if v_found is distinct from v_expected then
                    raise exception 'this script is for a database that holds \(expectation), and this one holds %',
                        coalesce('the migrations ' || v_versions, 'no migration')
                        using errcode = 'object_not_in_prerequisite_state',
                            hint = 'Nothing was changed. Make the script that fits: pgvigil migrate script'
                                || coalesce(' --from ' || right(v_versions, 4), '')
                                || ', or compare with pgvigil migrate verify.';
                end if;
            end

            """
        return "do \(SQLText.quoted(body));\n"
    }

    private var expectation: String {
        present.isEmpty ? "no migration" : "exactly the migrations \(present.map(\.version).joined(separator: ", "))"
    }

    // MARK: Migrations

    private func migration(_ file: MigrationFile) -> String {
        let title = "-- \(file.file.path)\n"
        return title + (file.runsInTransaction ? inTransaction(file) : outsideTransaction(file))
    }

    private func inTransaction(_ file: MigrationFile) -> String {
        let role = file.directives.contains(.asInstaller) ? "" : "set local role monitoring_owner;\n"
        return """
            begin;
            set local lock_timeout = \(options.lockTimeout.millisecondsRoundedUp);
            \(role)\(file.file.text)
            \(record(file))
            commit;


            """
    }

    private func outsideTransaction(_ file: MigrationFile) -> String {
        let role = file.directives.contains(.asInstaller) ? "" : "set role monitoring_owner;\n"
        let statements = file.statements.map { $0.text + ";\n" }.joined()
        return """
            \(role)\(repair(file))\(statements)reset role;
            begin;
            \(record(file))
            commit;


            """
    }

    /// Drops the invalid index that an interrupted run left, which `if not exists` would take for a good one.
    private func repair(_ file: MigrationFile) -> String {
        guard let index = ConcurrentIndex(file.statements.first) else { return "" }
        return """
            select exists (
                select from pg_catalog.pg_index where indexrelid = to_regclass(\(SQLText.literal(index.name)))
                    and not indisvalid) as pgvigil_is_invalid \\gset
            \\if :pgvigil_is_invalid
            drop index concurrently if exists \(index.name);
            \\endif

            """
    }

    private func record(_ file: MigrationFile) -> String {
        """
        set local role monitoring_owner;
        insert into monitoring.schema_migrations
            (version, name, checksum, description, duration_ms, tool_version, is_breaking, rollback_sql)
        values (
            \(SQLText.literal(file.version)), \(SQLText.literal(file.name)), \(SQLText.literal(file.file.checksum)),
            \(SQLText.literal(file.description + (file.runsInTransaction ? "" : " (outside a transaction)"))),
            extract(epoch from clock_timestamp() - now()) * 1000, \(SQLText.literal(options.toolVersion)),
            \(file.isBreaking), \(file.rollbackText.map(SQLText.quoted) ?? "null"));
        """
    }

    /// Makes the partitions of the next days, as `up` does.
    private static let partitions = """
        select to_regprocedure('monitoring.maintain_partitions()') is not null as pgvigil_has_partitions \\gset
        \\if :pgvigil_has_partitions
        set role monitoring_owner;
        call monitoring.maintain_partitions();
        reset role;
        \\endif

        """
}

/// Values as SQL text.
enum SQLText {
    /// A quoted text; standard_conforming_strings is on.
    static func literal(_ text: String) -> String {
        "'" + text.split(separator: "'", omittingEmptySubsequences: false).joined(separator: "''") + "'"
    }

    /// A text between dollar quotes that it does not hold itself.
    static func quoted(_ text: String) -> String {
        var number = 0
        var tag = "$pgvigil"
        while strstr(text, tag) != nil {
            number += 1
            tag = "$pgvigil\(number)_"
        }
        return "\(tag)$\(text)\(tag)$"
    }

    /// A text array of dollar-quoted elements.
    static func array(_ texts: [String]) -> String {
        texts.isEmpty ? "'{}'" : "array[\n" + texts.map(quoted).joined(separator: ",\n") + "]"
    }
}
