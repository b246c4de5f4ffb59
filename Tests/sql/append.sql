-- Append mode: partitions without a key, batches by their ids, closing, and that every reader sees each sample once.
-- The steps: missing_appended_at, append_plan_at, create_appended_partition, start_append, shrink_append, key_appended,
-- close_appended, perform_append_step_at. Ingest: claim_batch_at, current_append_span, store_appended_samples,
-- store_raw_samples.
begin;
set local search_path = tap, pg_catalog;
set local client_min_messages = warning;
set local timezone = 'UTC';
select no_plan();

create function pg_temp.send(p_values double precision[], p_at timestamptz, p_batch uuid default null, p_metric text default 'hose')
returns text language sql as $$
    select (r.accepted, r.duplicate, r.rejected)::text
    from monitoring_internal.ingest_samples_at(
        array_fill(p_metric, array[cardinality(p_values)]),
        array(select jsonb_build_object('n', (i / 2)::text) from generate_series(0, cardinality(p_values) - 1) as i),
        p_values, array_fill(p_at, array[cardinality(p_values)]), null, '2026-03-02 12:05Z', p_batch) as r;
$$;
create function pg_temp.maintain(p_now timestamptz) returns text[] language plpgsql as $$
declare v_step monitoring_internal.partition_step; v_done text[] := '{}';
begin
    loop
        v_step := monitoring_internal.maintain_next_partition_at(p_now, '{}');
        exit when v_step.step is null or v_step.outcome <> 'done';
        if v_step.table_name = 'monitoring.samples' then v_done := v_done || v_step.action; end if;
    end loop;
    return v_done || case when v_step.outcome <> 'done' then array[v_step.step || ' ' || v_step.outcome] else '{}' end;
end $$;
create function pg_temp.seen() returns text language sql as $$
    select string_agg(format('%s=%s', series.labels ->> 'n', point.value), ' ' order by series.series_id, point.sampled_at)
    from monitoring_internal.sample_points as point
    inner join monitoring.series as series on series.series_id = point.series_id
    inner join monitoring.metric_families as family on family.metric_family_id = series.metric_family_id
    where family.name = 'hose';
$$;

-- switching ---------------------------------------------------------------------------------------
select ok(pg_temp.maintain('2026-03-02 12:05Z') @> '{create}', 'partitions are made with their key');
select is(pg_temp.send('{1,1.5,2}', '2026-03-02 12:04Z'), '(2,1,0)', 'of two samples of one time the second is refused by the key');
update monitoring.partition_policies set mode = 'append', partition_interval = '10 min', premake = 2
where table_name = 'monitoring.samples';
select ok('start' = any (pg_temp.maintain('2026-03-02 12:05Z')), 'append mode begins');
select is(
    (select lower(monitoring_internal.appended_span('monitoring.samples'))), '2026-03-03 00:00Z',
    'behind the partition that has rows already');
select throws_ok(
    $$ update monitoring.partition_policies set mode = 'append' where table_name = 'monitoring.job_runs' $$, '23514', null,
    'other tables have no such mode');
select * from finish();
rollback;
