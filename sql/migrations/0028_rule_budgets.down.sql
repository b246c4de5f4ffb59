-- Undoes 0028, once the code that uses it is gone: slow rules are evaluated with the others again.
delete from monitoring.settings where name = 'alerting.pass_budget';
alter table monitoring.alert_rule_states drop column apart_group, drop column took;
drop type monitoring_internal.sample_fold;
create type monitoring_internal.sample_fold as (
    series_id integer, samples integer, mean double precision, least double precision, most double precision,
    total double precision, deviation double precision, first double precision, last double precision,
    increase double precision, seconds double precision, last_at timestamptz
);
comment on type monitoring_internal.sample_fold is
    'What a series'' samples in a window come to; increase and the seconds it took only where a rule asks for them.';
