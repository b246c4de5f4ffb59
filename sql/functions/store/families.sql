-- store/families.sql: the catalogue of metrics.
-- Owns register_families. Writes metric_families.
-- Concurrency: any number of callers; rows are taken in the order of their names.

-- Register or describe metrics: an array of {name, kind, unit, category, description, retention_class, direction,
-- stale_after}; keys left out keep what is stored, and so do nulls, but for stale_after. Returns how many were new.
-- Ids are given only to names that a look-up did not find.
-- Raises: PV202 when an entry has no name, or a name or kind that is none; PV210 when its class does not exist.
create or replace function monitoring_internal.register_families(p_families jsonb)
returns integer
language plpgsql volatile parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
declare
    v_faulty text;
    v_made integer;
begin
    select string_agg(coalesce(given.name, 'null'), ', ') into v_faulty
    from jsonb_populate_recordset(null::monitoring.metric_families, p_families) as given
    where coalesce(given.name, '') !~ '^[a-zA-Z_:][a-zA-Z0-9_:]*$'
        or given.kind not in ('counter', 'gauge', 'histogram', 'summary', 'unknown');
    if v_faulty is not null then
        raise exception using
            errcode = 'PV202',
            message = format('metrics are malformed: %s', v_faulty),
            hint = 'A metric needs a name of letters, digits, _ and : and, if any, a kind of counter, gauge, '
                'histogram, summary or unknown.';
    end if;
    perform monitoring_internal.check_retention_classes(p_families);
    insert into monitoring.metric_families (name, is_registered)
    select distinct given.name, true
    from jsonb_populate_recordset(null::monitoring.metric_families, p_families) as given
    where not exists (select 1 from monitoring.metric_families as family where family.name = given.name)
    order by given.name
    on conflict do nothing;
    get diagnostics v_made = row_count;
    with change as (
        select
            family.metric_family_id as id,
            jsonb_populate_record(
                family,
                jsonb_strip_nulls(given.entry - array['metric_family_id', 'created_at', 'updated_at'])
                    || '{"is_registered": true}'
                    || case when given.entry @> '{"stale_after": null}' then jsonb '{"stale_after": null}' else '{}' end
            ) as row
        from jsonb_array_elements(p_families) as given (entry)
        inner join monitoring.metric_families as family on family.name = given.entry ->> 'name'
        order by family.metric_family_id
        for update of family
    )
    update monitoring.metric_families as family
    set is_registered = true,
        kind = (change.row).kind,
        unit = (change.row).unit,
        category = (change.row).category,
        description = (change.row).description,
        retention_class = (change.row).retention_class,
        direction = (change.row).direction,
        stale_after = (change.row).stale_after
    from change
    where family.metric_family_id = change.id
        and family is distinct from change.row;
    return v_made;
end;
$$;

comment on function monitoring_internal.register_families(jsonb) is
    'Registers metrics, or changes their description, from an array of objects; returns how many were new.';
