-- replication.sql: standbys and their lag, slots and what they retain, the receiver, subscriptions.
--! collector replication
--! every 15s
--! scope instance
--! tier normal
--! cap 500
--! needs role pg_monitor

--! query server
--! metric is_replica pg_replication_is_replica gauge boolean Whether the server is in recovery.
--! version 15-
select pg_is_in_recovery()::integer as is_replica

-- Equal positions say that nothing is behind only while a receiver is alive.
--! query recovery on standby
--! metric lag pg_replication_lag_seconds gauge seconds
--!     Age of the last transaction replayed; 0 while all that a live receiver got is replayed.
--! metric last_replay pg_replication_last_replay_seconds gauge seconds Age of the last transaction replayed.
--! metric is_streaming pg_wal_receiver_is_streaming gauge boolean
--!     Whether WAL is streamed to this standby; no value where no primary is configured.
--! version 15-
select
    case
        when pg_last_wal_receive_lsn() = pg_last_wal_replay_lsn()
            and exists (select 1 from pg_stat_wal_receiver as receiver where receiver.status = 'streaming')
            then 0
        else extract(epoch from clock_timestamp() - pg_last_xact_replay_timestamp())
    end as lag,
    extract(epoch from clock_timestamp() - pg_last_xact_replay_timestamp()) as last_replay,
    case
        when current_setting('primary_conninfo') <> ''
            then exists (
                select 1 from pg_stat_wal_receiver as receiver where receiver.status = 'streaming')::integer
    end as is_streaming

--! query standbys
--! label application_name
--! label client_addr
--! label state
--! label slot_name
--! label pid
--! metric current_bytes pg_stat_replication_pg_current_wal_lsn_bytes gauge bytes WAL position of this server.
--! metric behind_bytes pg_stat_replication_pg_wal_lsn_diff gauge bytes WAL that the standby has not replayed.
--! metric sent_bytes pg_stat_replication_sent_lag_bytes gauge bytes WAL not sent to it yet.
--! metric write_bytes pg_stat_replication_write_lag_bytes gauge bytes WAL it has not written yet.
--! metric flush_bytes pg_stat_replication_flush_lag_bytes gauge bytes WAL it has not flushed yet.
--! metric replay_bytes pg_stat_replication_replay_lag_bytes gauge bytes WAL it has not replayed yet.
--! metric write_seconds pg_stat_replication_write_lag_seconds gauge seconds
--!     How long recent WAL took to be written there; no value when idle.
--! metric flush_seconds pg_stat_replication_flush_lag_seconds gauge seconds
--!     How long recent WAL took to be flushed there; no value when idle.
--! metric replay_seconds pg_stat_replication_replay_lag_seconds gauge seconds
--!     How long recent WAL took to be replayed there; no value when idle.
--! version 15-
select
    standby.application_name,
    host(standby.client_addr) as client_addr,
    standby.state,
    slot.slot_name,
    standby.pid,
    pg_wal_lsn_diff(here.lsn, '0/0') as current_bytes,
    pg_wal_lsn_diff(here.lsn, standby.replay_lsn) as behind_bytes,
    pg_wal_lsn_diff(here.lsn, standby.sent_lsn) as sent_bytes,
    pg_wal_lsn_diff(here.lsn, standby.write_lsn) as write_bytes,
    pg_wal_lsn_diff(here.lsn, standby.flush_lsn) as flush_bytes,
    pg_wal_lsn_diff(here.lsn, standby.replay_lsn) as replay_bytes,
    extract(epoch from standby.write_lag) as write_seconds,
    extract(epoch from standby.flush_lag) as flush_seconds,
    extract(epoch from standby.replay_lag) as replay_seconds
from pg_stat_replication as standby
left join pg_replication_slots as slot on slot.active_pid = standby.pid
cross join lateral (
    select case when pg_is_in_recovery() then pg_last_wal_receive_lsn() else pg_current_wal_lsn() end as lsn
) as here

--! query standby_states
--! label application_name
--! label client_addr
--! label sync_state
--! label pid
--! metric present pg_stat_replication_sync_state gauge boolean
--!     Whether the standby is async, potential, sync or quorum, as a label.
--! version 15-
select standby.application_name, host(standby.client_addr) as client_addr, standby.sync_state, standby.pid, 1 as present
from pg_stat_replication as standby

--! query slots
--! label slot_name
--! label database
--! metric active pg_replication_slots_active gauge boolean Whether the slot is in use.
--! metric retained pg_replication_slots_pg_wal_lsn_diff gauge bytes WAL that the slot retains.
--! metric retained_share pg_replication_slots_retained_ratio gauge ratio
--!     Share of max_slot_wal_keep_size that the slot retains; no value where that is not limited.
--! metric xmin_age pg_replication_slots_xmin_age gauge transactions
--!     Age of the oldest transaction whose rows it keeps from vacuum.
--! metric catalog_xmin_age pg_replication_slots_catalog_xmin_age gauge transactions
--!     The same for rows of the catalogues.
--! metric inactive_since pg_replication_slots_inactive_since_timestamp_seconds gauge seconds
--!     Since when it is not in use, as Unix time.
--! version 15-
select
    slot.slot_name,
    slot.database,
    slot.active::integer as active,
    pg_wal_lsn_diff(
        case when pg_is_in_recovery() then pg_last_wal_receive_lsn() else pg_current_wal_lsn() end,
        slot.restart_lsn) as retained,
    pg_wal_lsn_diff(
        case when pg_is_in_recovery() then pg_last_wal_receive_lsn() else pg_current_wal_lsn() end,
        slot.restart_lsn) / nullif(pg_size_bytes(kept.size), 0) as retained_share,
    age(slot.xmin) as xmin_age,
    age(slot.catalog_xmin) as catalog_xmin_age,
    extract(epoch from slot.inactive_since) as inactive_since, --! 17-
    slot.slot_type
from pg_replication_slots as slot
cross join lateral (select nullif(current_setting('max_slot_wal_keep_size'), '-1') as size) as kept

--! query slot_positions
--! label slot_name
--! label slot_type
--! metric current_lsn pg_replication_slots_slot_current_wal_lsn gauge bytes WAL position of this server.
--! metric confirmed_lsn pg_replication_slots_slot_confirmed_flush_lsn gauge bytes
--!     WAL position that a logical slot's reader has confirmed.
--! metric is_active pg_replication_slots_slot_is_active gauge boolean Whether the slot is in use.
--! metric safe_wal_size pg_replication_slots_safe_wal_size_bytes gauge bytes
--!     WAL that can be written before the slot may be lost; no value without a limit.
--! version 15-
select
    slot.slot_name,
    slot.slot_type,
    pg_wal_lsn_diff(
        case when pg_is_in_recovery() then pg_last_wal_receive_lsn() else pg_current_wal_lsn() end,
        '0/0') as current_lsn,
    pg_wal_lsn_diff(slot.confirmed_flush_lsn, '0/0') as confirmed_lsn,
    slot.active::integer as is_active,
    slot.safe_wal_size
from pg_replication_slots as slot

--! query slot_states
--! label slot_name
--! label slot_type
--! label wal_status
--! metric present pg_replication_slots_wal_status gauge boolean
--!     Whether the WAL that the slot needs is reserved, extended, unreserved or lost, as a label.
--! version 15-
select slot.slot_name, slot.slot_type, slot.wal_status, 1 as present
from pg_replication_slots as slot
where slot.wal_status is not null

--! query slot_invalidations
--! label slot_name
--! label reason
--! metric present pg_replication_slots_invalidated gauge boolean
--!     Whether the slot was invalidated, with the reason as a label.
--! version 17-
select slot.slot_name, slot.invalidation_reason as reason, (slot.invalidation_reason is not null)::integer as present
from pg_replication_slots as slot
--! version 16-16
select
    slot.slot_name,
    case when slot.conflicting then 'conflicting' end as reason,
    slot.conflicting::integer as present
from pg_replication_slots as slot

--! query decoding
--! label slot_name
--! metric spill_txns pg_stat_replication_slots_spill_txns_total counter transactions
--!     Decoded transactions spilled to disk.
--! metric spill_count pg_stat_replication_slots_spill_count_total counter spills How often transactions were spilled.
--! metric spill_bytes pg_stat_replication_slots_spill_bytes_total counter bytes Decoded bytes spilled.
--! metric stream_txns pg_stat_replication_slots_stream_txns_total counter transactions
--!     Transactions streamed while in progress.
--! metric stream_count pg_stat_replication_slots_stream_count_total counter streams
--!     How often transactions were streamed.
--! metric stream_bytes pg_stat_replication_slots_stream_bytes_total counter bytes Bytes streamed.
--! metric total_txns pg_stat_replication_slots_total_txns_total counter transactions Transactions decoded and sent.
--! metric total_bytes pg_stat_replication_slots_total_bytes_total counter bytes Bytes decoded.
--! version 15-
select
    stat.slot_name,
    stat.spill_txns, stat.spill_count, stat.spill_bytes,
    stat.stream_txns, stat.stream_count, stat.stream_bytes,
    stat.total_txns, stat.total_bytes
from pg_stat_replication_slots as stat

--! query receiver on standby
--! label upstream_host
--! label slot_name
--! label status
--! metric receive_start_lsn pg_stat_wal_receiver_receive_start_lsn counter bytes WAL position at which receiving began.
--! metric receive_start_tli pg_stat_wal_receiver_receive_start_tli gauge number Timeline at which receiving began.
--! metric flushed_lsn pg_stat_wal_receiver_flushed_lsn counter bytes WAL position received and flushed.
--! metric received_tli pg_stat_wal_receiver_received_tli gauge number Timeline of that position.
--! metric last_msg_send_time pg_stat_wal_receiver_last_msg_send_time counter seconds
--!     Time at which the last message was sent, as Unix time.
--! metric last_msg_receipt_time pg_stat_wal_receiver_last_msg_receipt_time counter seconds
--!     Time at which the last message arrived, as Unix time.
--! metric latest_end_lsn pg_stat_wal_receiver_latest_end_lsn counter bytes WAL position last reported to the sender.
--! metric latest_end_time pg_stat_wal_receiver_latest_end_time counter seconds Time of that report, as Unix time.
--! version 15-
select
    receiver.sender_host as upstream_host,
    receiver.slot_name,
    receiver.status,
    pg_wal_lsn_diff(receiver.receive_start_lsn, '0/0') as receive_start_lsn,
    receiver.receive_start_tli,
    pg_wal_lsn_diff(receiver.flushed_lsn, '0/0') as flushed_lsn,
    receiver.received_tli,
    extract(epoch from receiver.last_msg_send_time) as last_msg_send_time,
    extract(epoch from receiver.last_msg_receipt_time) as last_msg_receipt_time,
    pg_wal_lsn_diff(receiver.latest_end_lsn, '0/0') as latest_end_lsn,
    extract(epoch from receiver.latest_end_time) as latest_end_time
from pg_stat_wal_receiver as receiver

--! query subscriptions
--! label subname
--! metric apply_errors pg_stat_subscription_apply_errors_total counter errors Errors while changes were applied.
--! metric sync_errors pg_stat_subscription_sync_errors_total counter errors Errors while tables were first copied.
--! version 15-
select
    stat.subname,
    stat.apply_error_count as apply_errors,
    stat.sync_error_count as sync_errors --! 15-18
    stat.sync_table_error_count as sync_errors --! 19-
from pg_stat_subscription_stats as stat

--! query subscription_conflicts
--! label subname
--! label type
--! metric conflicts pg_stat_subscription_conflicts_total counter conflicts
--!     Conflicts while changes were applied, by type.
--! version 18-
select stat.subname, conflict.type, conflict.conflicts
from pg_stat_subscription_stats as stat
cross join lateral (
    values
        ('insert_exists', stat.confl_insert_exists),
        ('update_origin_differs', stat.confl_update_origin_differs),
        ('update_exists', stat.confl_update_exists),
        ('update_missing', stat.confl_update_missing),
        ('delete_origin_differs', stat.confl_delete_origin_differs),
        ('delete_missing', stat.confl_delete_missing),
        ('multiple_unique_conflicts', stat.confl_multiple_unique_conflicts)
) as conflict (type, conflicts)
