/// Days of an archived class in a store, for tests of what becomes of them.
package enum ArchivedDays {
    /// Makes a class that keeps samples for four days, and days of January 2026, packed.
    ///
    /// As of the 9th, those of the 1st and 2nd are past their retention. `public.settle` rolls up and packs what is due at a time.
    package static let setUp = """
        create function public.settle(p_now timestamptz) returns void language plpgsql as $$
        declare
            v_rollup monitoring_internal.rollup_step;
        begin
            for v_round in 1..2 loop
                loop
                    v_rollup := monitoring_internal.refresh_next_rollup_at(9, null, p_now);
                    exit when v_rollup.action is null;
                end loop;
                while monitoring_internal.pack_next_at(p_now) is not null loop
                end loop;
            end loop;
        end
        $$;
        update monitoring.retention_classes set raw_retention = '4 days', rollup_1h = null
        where name = 'compliance';
        update monitoring.partition_policies set partition_interval = '1 day'
        where table_name in ('monitoring.sample_blocks', 'monitoring.time_vectors');
        select monitoring_internal.register_families(
            '[{"name": "evidence", "kind": "gauge", "retention_class": "compliance"}]');
        select monitoring.create_tenant('acme');
        select monitoring_internal.create_partitions_at(
            'monitoring.samples', '2026-01-01 00:00Z', '2026-01-08 12:00Z', '2026-01-08 12:00Z');
        select monitoring_internal.ingest_samples_at(
            array_agg('evidence'::text), array_agg(jsonb_build_object('n', n, 'path', E'C:\\\\a\\tb"')),
            array_agg(case i % 4 when 0 then '-0' when 1 then 1.0 / 3 * n else i * 0.1 end::double precision),
            array_agg(day.at + i * interval '3 minutes 1 microsecond'), tenant.tenant_id, day.at + interval '23 hours')
        from (values (timestamptz '2026-01-01 00:00Z'), ('2026-01-02 00:00Z'), ('2026-01-05 00:00Z'),
                ('2026-01-08 00:00Z')) as day (at),
            generate_series(0, 99) as i, generate_series(1, 5) as n, monitoring.tenants as tenant
        group by day.at, tenant.tenant_id
        order by day.at;
        select public.settle('2026-01-09 01:00Z');
        """
}
