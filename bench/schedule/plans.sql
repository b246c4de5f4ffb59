-- The plans of one turn that finds 16 jobs due; everything is rolled back.
load 'auto_explain';
set auto_explain.log_min_duration = 0;
set auto_explain.log_nested_statements = on;
set auto_explain.log_analyze = on;
set auto_explain.log_buffers = on;
set auto_explain.log_timing = off;
begin;
update monitoring.job_state set next_due_at = now() + interval '1 hour', next_slot_at = now() + interval '1 hour';
update monitoring.job_state set next_due_at = now(), next_slot_at = now()
where job_id in (select job_id from monitoring.job_state order by job_id limit 16);
-- The first call plans; the second shows the turn as it usually is.
select count(*) from monitoring_internal.claim_due(
    gen_random_uuid(), array_fill(1, array[1]), array_fill(now(), array[1]));
set client_min_messages = log;
select count(*) from monitoring_internal.claim_due(
    gen_random_uuid(), array_fill(1, array[15]), array_fill(now(), array[15]));
rollback;
