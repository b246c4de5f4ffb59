-- scale-out/citus.sql: spread the large tables of the store over the workers of a Citus cluster. Optional; run once, by
-- the owner, on the coordinator, after `pgvigil migrate up`:  psql -v ON_ERROR_STOP=1 -1 -f sql/scale-out/citus.sql
-- No migration and no reload runs it. docs/scale-out.md says what changes, and what was not tried.

do $$
begin
    if to_regprocedure('create_distributed_table(regclass, text)') is null
        and not exists (select 1 from pg_extension where extname = 'citus')
    then
        raise exception using
            message = 'Citus is not installed in this database',
            hint = 'create extension citus; on the coordinator and on every worker, and add the workers with '
                'citus_add_node(), then run this again.';
    end if;
end
$$;

-- Samples, packed and late ones, their rollups and details: by series, together, so that whatever is asked of one
-- series is answered by one worker. All else stays on the coordinator: it is small, or has triggers and foreign keys.
select create_distributed_table('monitoring.samples'::regclass, 'series_id'::text);
select create_distributed_table(large.name::regclass, 'series_id', colocate_with => 'monitoring.samples'::text)
from unnest(array[
    'monitoring.late_samples', 'monitoring.appended_samples', 'monitoring.sample_blocks', 'monitoring.sample_details',
    'monitoring.rollups_1m', 'monitoring.rollups_5m', 'monitoring.rollups_1h', 'monitoring.rollups_1d'])
    with ordinality as large (name, place)
order by large.place;
