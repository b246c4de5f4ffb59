-- One pass of the evaluator as a whole: which rules are due, broken rules, history replayed, whose the parts are.
begin;
set local search_path = tap, pg_catalog;
set local client_min_messages = warning;
select no_plan();

-- The parts -------------------------------------------------------------------------------------------------------------
select is_empty(
    $$ select p.oid::regprocedure
        from unnest(array[
            'due_alert_rules_at', 'read_alert_rules_at', 'run_alert_rules_at', 'note_alert_rules_at',
            'finish_alert_pass', 'follow_alerts_at', 'evaluate_alerts_at', 'alert_terms_at', 'see_alert',
            'alert_clocks_at', 'pair_alerts_at', 'alert_action_at', 'decide_alerts_at', 'alert_events',
            'conclude_alerts_at', 'storm_label_key', 'gather_alert_storms_at', 'alert_storm_pair',
            'alert_flapping_at', 'flapping_ratio', 'reopenable_alerts_at', 'take_alert_changes_at', 'alert_texts',
            'open_alerts_at', 'move_alerts_at', 'keep_alert_conditions_at', 'alert_condition_rows_at',
            'tell_transitions_at', 'step_alerts_at', 'raise_rule_errors_at', 'rule_error_changes_at',
            'expire_acknowledgements_at', 'alert_withholders_at', 'suppress_alerts_at', 'close_alert_rules_at',
            'close_alerts_of_dropped_rules', 'close_alerts_of_changed_rules']) as part (name)
        left join pg_proc as p on p.proname = part.name and p.pronamespace = 'monitoring_internal'::regnamespace
        cross join unnest(array['monitoring_admin', 'monitoring_service', 'monitoring_reader']) as role_name
        where p.oid is null or has_function_privilege(role_name, p.oid, 'execute') $$,
    'the parts of a pass are the owner''s alone');
select ok(has_function_privilege('monitoring_service', 'monitoring.evaluate_alerts()', 'execute'),
    'the service evaluates');

select * from finish();
rollback;
