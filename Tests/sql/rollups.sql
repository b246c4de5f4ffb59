-- Rollups: built behind a watermark level by level, late samples built again, and what holds samples until then.
begin;
set local search_path = tap, pg_catalog;
set local client_min_messages = warning;
select no_plan();

-- refresh_rollups() as of a time, which commits between steps; what each step did.
create function pg_temp.refresh(p_now timestamptz) returns setof text
language plpgsql as $$
declare
    v_step monitoring_internal.rollup_step;
    v_waits integer := 0;
    v_late_until bigint;
begin
    loop
        v_step := monitoring_internal.refresh_next_rollup_at(v_waits, v_late_until, p_now);
        exit when v_step.action is null;
        v_late_until := v_step.late_until;
        v_waits := v_waits + (v_step.action = 'wait')::integer;
        return next concat_ws(' ', v_step.action, v_step.resolution,
            to_char(v_step.from_at at time zone 'UTC', 'DD HH24:MI'), to_char(v_step.until_at at time zone 'UTC', 'DD HH24:MI'),
            v_step.row_count);
    end loop;
end
$$;
select monitoring_internal.create_partitions_at(
    'monitoring.samples', '2026-05-31 00:00Z', '2026-06-02 00:00Z', '2026-06-01 12:00Z') > 0 as is_made;
select monitoring_internal.register_families('[
    {"name": "fine", "kind": "gauge", "retention_class": "high_resolution"}, {"name": "grown_total", "kind": "counter"}]')
    as made;
select (monitoring_internal.ingest_samples_at(
    array_agg(metric), array_agg('{}'::jsonb),
    array_agg(case metric when 'fine' then 50 + 40 * sin(extract(epoch from at)) else extract(epoch from at)::bigint % 7200 end),
    array_agg(at), null, '2026-06-01 04:00Z')).accepted
from generate_series('2026-06-01 00:00Z'::timestamptz, '2026-06-01 03:59:50Z', '10 s') as at,
    unnest(array['fine', 'grown_total']) as metric;
select isnt_empty($$ select pg_temp.refresh('2026-06-01 04:01Z') $$, 'a refresh builds');
select results_eq(
    $$ select resolution, count(*), sum(sample_count) from monitoring_internal.rollup_points
        group by resolution order by resolution $$,
    $$ values ('1h', 8::bigint, 2880::numeric), ('1m', 240, 1440), ('5m', 48, 1440) $$,
    'each level that a class has');
select is_empty($$ select pg_temp.refresh('2026-06-01 04:01Z') $$, 'and is done then');

-- parts, each by its name ---------------------------------------------------------------------------
-- fold_samples, fold_rollups, store_rollups, build_ranges, record_rollup_run_at, rebuild_late_at, late_spans,
-- ready_rollup, next_rollup_range, make_rollup_partitions_at, build_next_range_at, start_rollups, next_row_bound and
-- hold_rolled_up were at work above; rollup_progress is what rollup_status shows.
select is(
    monitoring_internal.rollup_target_at('2026-06-01 12:34:56Z'), '2026-06-01 12:33Z'::timestamptz,
    'rollup_target_at: the last minute that is over, less the delay');
select is(monitoring_internal.close_rollups_at('2026-06-01 04:01Z'), null, 'close_rollups_at has nothing to do twice');
select is(monitoring_internal.open_ingests(), '{}', 'open_ingests: nobody else is');
select isnt(monitoring_internal.ingest_lock_key(), 0::bigint, 'ingest_lock_key');
select is(
    monitoring_internal.note_late_samples(array[null]::integer[], array['2026-06-01 00:00Z']::timestamptz[]), 0::bigint,
    'note_late_samples: a refused sample is not late');
select is(monitoring.rebuild_rollups('2026-06-01 00:00Z', '2026-06-01 01:00Z') > 0, true, 'rebuild_rollups');
select is(
    (monitoring_internal.refresh_next_rollup(0, 0)).action, 'close', 'refresh_next_rollup goes by the clock');

select * from finish();
rollback;
