-- alerts.sql: how alerting itself fares: the evaluator, its rules, what is open, what waits to be delivered.
--! collector alerts
--! every 30s
--! scope home
--! tier normal
--! cap 100

--! query evaluation
--! metric pass pgvigil_alert_evaluation_seconds gauge seconds Time that the latest evaluation of the rules took.
--! metric age pgvigil_alert_evaluation_age_seconds gauge seconds Time since the latest evaluation began.
--! metric missed pgvigil_alert_missed_evaluations_total counter evaluations
--!     Evaluations of rules that were due and did not take place.
--! metric failed pgvigil_alert_rules_failed gauge rules Active rules whose latest evaluations failed.
--! metric unmatched pgvigil_alert_rules_unmatched gauge rules
--!     Active rules of one's own that read no series; those that come with pgvigil may well have nothing to read.
--! metric parts_failed pgvigil_alert_parts_failed gauge failures
--!     What failed in the evaluations of the last minute that were not finished, such as suppression or messages.
--! version 15-
select pass.seconds as pass, pass.age, rule.missed, rule.failed, rule.unmatched, (
        select coalesce(max(broken.errors), 0)
        from monitoring.alert_passes as broken
        where broken.started_at > clock_timestamp() - interval '1 minute' and broken.duration is null
    ) as parts_failed
from (
    select
        coalesce(sum(state.missed_ticks), 0) as missed,
        count(*) filter (where rule.is_active and state.failures > 0) as failed,
        count(*) filter (where rule.is_active and rule.source = 'user' and state.last_status = 'unmatched') as unmatched
    from monitoring.alert_rules as rule
    inner join monitoring.alert_rule_states as state on state.rule_no = rule.rule_no
) as rule
left join (
    select
        extract(epoch from latest.duration) as seconds,
        extract(epoch from clock_timestamp() - latest.started_at) as age
    from monitoring.alert_passes as latest
    where latest.started_at > clock_timestamp() - interval '1 day' and latest.duration is not null
    order by latest.started_at desc
    limit 1
) as pass on true

--! query open
--! label severity
--! metric open pgvigil_alerts_open gauge alerts Alerts that are not resolved.
--! version 15-
select grade.severity, count(alert.id) as open
from unnest(array['low', 'medium', 'high', 'critical']) as grade (severity)
left join monitoring.alerts as alert on alert.severity = grade.severity and alert.status <> 'resolved'
group by grade.severity

--! query delivery
--! metric waiting pgvigil_deliveries_waiting gauge messages Messages that are still to be delivered.
--! metric overdue pgvigil_delivery_oldest_overdue_seconds gauge seconds
--!     For how long the oldest of them that nobody has in hand has been due; 0 when none is.
--! metric unreachable pgvigil_destinations_failing gauge destinations
--!     Endpoints and channels that do not work and that messages wait for.
--! metric dead pgvigil_deliveries_dead gauge messages Messages given up within the last hour.
--! metric gaps pgvigil_on_call_gaps gauge pages Pages of the last hour that met a time when nobody was on call.
--! version 15-
select
    (select count(*) from monitoring.deliveries as delivery where delivery.state <> 'held') as waiting,
    coalesce((
        select extract(epoch from clock_timestamp() - min(delivery.due_at))
        from monitoring.deliveries as delivery
        where delivery.state in ('pending', 'failed') and delivery.due_at < clock_timestamp()), 0) as overdue,
    (
        select count(*)
        from monitoring.destination_states as destination
        where destination.open_since_at is not null
            and exists (
                select 1
                from monitoring.deliveries as delivery
                where delivery.destination_id = destination.destination_id and delivery.state <> 'held')
    ) as unreachable,
    (
        select count(*)
        from monitoring.delivery_attempts as attempt
        where attempt.outcome = 'dead' and attempt.finished_at > clock_timestamp() - interval '1 hour'
    ) as dead,
    (
        select count(*)
        from monitoring.alert_transitions as step
        where step.transition = 'on_call_gap' and step.occurred_at > clock_timestamp() - interval '1 hour'
    ) as gaps

--! query causes
--! label cause
--! metric receivers pgvigil_delivery_obstacles gauge receivers
--!     Endpoints and channels by what their messages wait for; 1 for xmin_holder, who keeps vacuum from the queue.
--! metric messages pgvigil_deliveries_by_cause gauge messages
--!     Messages by what they wait for; moving: nothing is wrong. Dead rows of the queue for xmin_holder.
--! version 15-
select cause.name as cause, coalesce(health.receivers, 0) as receivers, coalesce(health.messages, 0) as messages
from unnest(array[
    'moving', 'failing', 'breaker_open', 'dead_receiver', 'asked_to_wait', 'inactive', 'gone', 'no_server',
    'no_service', 'not_claimed', 'service_lost', 'rate_limited', 'xmin_holder']) as cause (name)
left join monitoring.queue_health as health on health.cause = cause.name

--! query chain
--! label link
--! metric whole pgvigil_chain_link_whole gauge bool
--!     Whether a link of the chain works that heartbeats stand for: collection, evaluation, claims, arrivals.
--! version 15-
select chain.link, chain.is_whole::integer as whole
from monitoring.heartbeat_chain as chain

--! query heartbeats
--! metric failures pgvigil_heartbeat_failures gauge heartbeats
--!     Heartbeats in a row that did not arrive outside, of the dead man's switch that fares worst.
--! metric age pgvigil_heartbeat_age_seconds gauge seconds
--!     Time since the last heartbeat that arrived outside, of the dead man's switch that fares worst.
--! version 15-
select
    coalesce(max(heartbeat.consecutive_failures), 0) as failures,
    max(extract(epoch from clock_timestamp() - heartbeat.sent_at)) as age
from monitoring.heartbeats as heartbeat
where heartbeat.is_active
