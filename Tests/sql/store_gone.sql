-- What was deleted is asked of what replaced it, whatever retention says afterwards.
begin;
set local search_path = tap, pg_catalog;
set local client_min_messages = warning;
select no_plan();

-- Two metrics, thirty days of a sample every two hours; one keeps three days of them.
insert into monitoring.retention_classes (name, raw_retention, rollup_1h, rollup_1d) values
    ('gone_soon', '3 days', '10 days', '100 days'), ('gone_late', '60 days', '300 days', '1000 days'),
    ('gone_days', '60 days', null, '1000 days');
select monitoring_internal.register_families('[{"name": "gone_soon", "kind": "gauge", "retention_class": "gone_soon"},
    {"name": "gone_late", "kind": "gauge", "retention_class": "gone_late"}]');
insert into monitoring.series (tenant_id, metric_family_id, labels)
select monitoring.system_tenant_id(), metric_family_id, '{}' from monitoring.metric_families where name like 'gone%';
insert into monitoring.samples (series_id, sampled_at, value)
select series_id, timestamptz '2026-03-01 00:30Z' + n * interval '2 hours', 1
from monitoring.series inner join monitoring.metric_families using (metric_family_id), generate_series(0, 359) as n where name like 'gone%';
update monitoring.settings set value = '100000' where name = 'store.rollup_series';
do $$ begin
    for n in 1..3000 loop exit when (monitoring_internal.refresh_next_rollup_at(8, null, '2026-03-31 01:00Z')).action is null; end loop;
    for n in 1..3000 loop exit when monitoring_internal.pack_next_at('2026-03-31 01:00Z') is null; end loop;
end $$;
select is(monitoring_internal.cleanup_old_metrics_at('2026-03-31 01:00Z') > 0, true, 'samples and hours are deleted');
create function pg_temp.counted() returns text language sql as $$
    select string_agg(format('%s %s', step, (
        select sum(value) from monitoring_internal.query_range_at('gone_soon', '{}', '2026-03-05', '2026-03-31', step, 'count', null, 'none', '2026-03-31 01:00Z'))),
        ', ' order by step)
    from unnest('{30 min,1 hour,1 day}'::interval[]) as step
$$;
select is(pg_temp.counted(), '00:30:00 312, 01:00:00 312, 1 day 312', 'each step counts every sample, deleted or not');
select is(monitoring_internal.gone_until(metric_family_id, 'gone_soon') ? 'raw', true, 'gone_until() names what was deleted')
from monitoring.metric_families where name = 'gone_soon';

-- What an administrator may change.
create temporary table changed (what text, said text);
create function pg_temp.after_change(p_change text) returns text language plpgsql as $$
declare v_said text;
begin
    begin
        execute p_change;
        v_said := pg_temp.counted();
        raise exception using errcode = 'PVTAP', message = v_said;
    exception when sqlstate 'PVTAP' then
        return v_said;
    end;
end
$$;
select is(pg_temp.after_change(change), '00:30:00 312, 01:00:00 312, 1 day 312', what)
from (values
    ('samples are kept longer from now on', $$ update monitoring.retention_classes set raw_retention = '10 days' where name = 'gone_soon' $$),
    ('hours are kept longer from now on', $$ update monitoring.retention_classes set rollup_1h = '50 days' where name = 'gone_soon' $$),
    ('the metric gets a class that keeps longer', $$ update monitoring.metric_families set retention_class = 'gone_late' where name = 'gone_soon' $$),
    ('the metric gets a class without the hours that it had lost', $$ update monitoring.metric_families set retention_class = 'gone_days' where name = 'gone_soon' $$),
    ('rollups of all times wait to be built again', $$ select monitoring.rebuild_rollups('2026-03-01', '2026-04-01') $$),
    ('a class that keeps longer, and back', $$ update monitoring.metric_families set retention_class = 'gone_late' where name = 'gone_soon';
        update monitoring.metric_families set retention_class = 'gone_soon' where name = 'gone_soon' $$)
) as given (what, change);

select is_empty($$ select * from monitoring_internal.query_levels('gone_days', '2026-03-31 01:00Z', '{"1h": "2026-01-01 00:00Z"}') where resolution = '1h' $$,
    'a level that a class does not have is none, whatever was deleted of it');

-- A day that is back from its file.
insert into monitoring.late_samples select series_id, timestamptz '2026-03-10 00:30Z' + n * interval '2 hours', 1
from monitoring.series inner join monitoring.metric_families using (metric_family_id), generate_series(0, 11) as n where name = 'gone_soon';
create function pg_temp.places() returns bigint language sql as $$
    select count(*) from monitoring_internal.query_range_at('gone_soon', '{}', '2026-03-09', '2026-03-12', '30 min', 'count', null, 'none', '2026-03-31 01:00Z')
$$;
select is(pg_temp.places(), 3::bigint, 'days whose samples and hours are gone show one value');
insert into monitoring.archives (retention_class, day, state, restored_at, restored_until) values ('gone_soon', '2026-03-10', 'due', '2026-03-30', '2026-04-05');
select is(monitoring_internal.restored_days('gone_soon', '2026-03-31 01:00Z'), '{["2026-03-10 00:00Z","2026-03-11 00:00Z")}'::tstzmultirange, 'restored_days() has it');
select is(pg_temp.places(), 14::bigint, 'a restored day is shown as finely as it was measured');
select is(pg_temp.counted(), '00:30:00 312, 01:00:00 312, 1 day 312', 'and counted once');

select * from finish();
rollback;
