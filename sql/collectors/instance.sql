-- instance.sql: that the server answers, which one it is and since when it runs.
--! collector instance
--! every 15s
--! scope instance
--! tier fast
--! cap 10
--! stale 45s

--! query server
--! metric up pg_up gauge boolean Whether the server answered.
--! metric started_at pg_postmaster_start_time_seconds gauge seconds Time at which the server started, as Unix time.
--! metric loaded_at pg_config_load_timestamp_seconds gauge seconds
--!     Time at which the configuration was last loaded, as Unix time.
--! metric timeline pg_timeline_id gauge number Timeline of the last checkpoint; it grows at each promotion.
--! metric checkpoint_at pg_control_checkpoint_timestamp_seconds gauge seconds
--!     Time of the last checkpoint, as Unix time.
--! version 15-
select
    1 as up,
    extract(epoch from pg_postmaster_start_time()) as started_at,
    extract(epoch from pg_conf_load_time()) as loaded_at,
    control.timeline_id as timeline,
    extract(epoch from control.checkpoint_time) as checkpoint_at
from pg_control_checkpoint() as control

--! query settings
--! metric pending pg_settings_pending_restart gauge settings
--!     Settings whose new value waits for a restart of the server.
--! version 15-
select count(*) filter (where known.pending_restart) as pending
from pg_settings as known

--! query version
--! label version
--! label short_version
--! label system_identifier
--! metric present pg_static gauge boolean Version of the server and identifier of its cluster, as labels.
--! version 15-
select
    version() as version,
    current_setting('server_version') as short_version,
    system.system_identifier,
    1 as present
from pg_control_system() as system
