-- What platforms report of content items and with tags, among a million rows.
begin;
set local search_path = tap, pg_catalog;
set local client_min_messages = warning;
set local maintenance_work_mem = '256MB';
select no_plan();

select monitoring_internal.register_families('[{"name": "clip_views", "kind": "counter", "retention_class": "platform"}]') > 0 as is_registered \gset
insert into monitoring.series (tenant_id, metric_family_id, labels)
select monitoring.system_tenant_id(), metric_family_id, '{"platform": "video"}' from monitoring.metric_families where name = 'clip_views';
-- Indexes are made when it becomes a partition, which is a fifth of the time, and nothing of it is logged.
create unlogged table monitoring_partitions.sample_details_million (like monitoring.sample_details including defaults including constraints);
insert into monitoring_partitions.sample_details_million (detail_id, series_id, sampled_at, tenant_id, content_id, content_value, tags)
select md5(n::text)::uuid, series.series_id, timestamptz '2020-01-01 00:00Z' + n * interval '80 ms', series.tenant_id,
    'clip-' || n % 50000, n, case when n % 10 = 0 then jsonb_build_object('lang', 'l' || n % 977, 'hot', n % 3 = 0) end
from monitoring.series as series inner join monitoring.metric_families as family using (metric_family_id), generate_series(1, 1000000) as n
where family.name = 'clip_views';
alter table monitoring.sample_details attach partition monitoring_partitions.sample_details_million
    for values from ('2020-01-01 00:00Z') to ('2020-01-02 00:00Z');
analyze monitoring_partitions.sample_details_million;

create function pg_temp.plan(p_sql text) returns text language plpgsql as $$
declare
    v_line text;
    v_plan text := '';
begin
    for v_line in execute 'explain (costs off) ' || p_sql loop
        v_plan := v_plan || v_line;
    end loop;
    return v_plan;
end
$$;
select matches(
    pg_temp.plan($$ select * from monitoring.platform_metrics where content_id = 'clip-4711'
        and "time" >= '2020-01-01 00:00Z' and "time" < '2020-01-02 00:00Z' order by "time" desc limit 100 $$),
    'sample_details_million_tenant_id_content_id_sampled_at_idx', 'row 10: the history of one item is found by its index, of a million rows');
select is(
    (select count(*) from monitoring.platform_metrics where content_id = 'clip-4711'
        and "time" >= '2020-01-01 00:00Z' and "time" < '2020-01-02 00:00Z'), 20::bigint, 'all of it');
create temporary view tag_scans as
select pg_stat_get_xact_numscans(i.indexrelid) as n from pg_index as i
where i.indexrelid = 'monitoring_partitions.sample_details_million_tags_idx'::regclass;
create temporary table before as select n, pg_stat_get_xact_numscans('monitoring_partitions.sample_details_million'::regclass) as all_rows from tag_scans;
select is(
    (select count(*) from monitoring.search_platform_metrics('{"lang": "l30"}', '2020-01-01 00:00Z', '2020-01-02 00:00Z')),
    (select count(*) from generate_series(10, 1000000, 10) as n where n % 977 = 30), 'row 10: rows are found by their tags');
select is((select tag_scans.n - before.n from tag_scans, before), 1::bigint, 'row 10: by the index of tags');
select is(
    (select pg_stat_get_xact_numscans('monitoring_partitions.sample_details_million'::regclass) - all_rows from before), 0::bigint,
    'and not by reading all of them');

select * from finish();
rollback;
