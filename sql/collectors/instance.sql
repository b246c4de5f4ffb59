-- instance.sql: that the server answers, which one it is, since when it runs and the limits it runs with.
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
--! metric max_connections pg_settings_max_connections gauge sessions Setting max_connections.
--! metric superuser_reserved pg_settings_superuser_reserved_connections gauge sessions
--!     Setting superuser_reserved_connections.
--! metric reserved pg_settings_reserved_connections gauge sessions Setting reserved_connections.
--! metric shared_buffers pg_settings_shared_buffers_bytes gauge bytes Setting shared_buffers.
--! metric effective_cache_size pg_settings_effective_cache_size_bytes gauge bytes Setting effective_cache_size.
--! metric maintenance_work_mem pg_settings_maintenance_work_mem_bytes gauge bytes Setting maintenance_work_mem.
--! metric max_wal_size pg_settings_max_wal_size_bytes gauge bytes Setting max_wal_size.
--! metric max_worker_processes pg_settings_max_worker_processes gauge processes Setting max_worker_processes.
--! metric freeze_max_age pg_settings_autovacuum_freeze_max_age gauge transactions Setting autovacuum_freeze_max_age.
--! metric multixact_freeze_max_age pg_settings_autovacuum_multixact_freeze_max_age gauge multixacts
--!     Setting autovacuum_multixact_freeze_max_age.
--! metric autovacuum pg_settings_autovacuum gauge boolean Setting autovacuum.
--! metric fsync pg_settings_fsync gauge boolean Setting fsync.
--! metric full_page_writes pg_settings_full_page_writes gauge boolean Setting full_page_writes.
--! metric track_counts pg_settings_track_counts gauge boolean Setting track_counts.
--! metric track_io_timing pg_settings_track_io_timing gauge boolean Setting track_io_timing.
--! metric data_checksums pg_settings_data_checksums gauge boolean Setting data_checksums.
--! version 15-
select
    1 as up,
    extract(epoch from pg_postmaster_start_time()) as started_at,
    extract(epoch from pg_conf_load_time()) as loaded_at,
    control.timeline_id as timeline,
    extract(epoch from control.checkpoint_time) as checkpoint_at,
    current_setting('max_connections')::integer as max_connections,
    current_setting('superuser_reserved_connections')::integer as superuser_reserved,
    current_setting('reserved_connections')::integer as reserved, --! 16-
    pg_size_bytes(current_setting('shared_buffers')) as shared_buffers,
    pg_size_bytes(current_setting('effective_cache_size')) as effective_cache_size,
    pg_size_bytes(current_setting('maintenance_work_mem')) as maintenance_work_mem,
    pg_size_bytes(current_setting('max_wal_size')) as max_wal_size,
    current_setting('max_worker_processes')::integer as max_worker_processes,
    current_setting('autovacuum_freeze_max_age')::integer as freeze_max_age,
    current_setting('autovacuum_multixact_freeze_max_age')::integer as multixact_freeze_max_age,
    current_setting('autovacuum')::boolean::integer as autovacuum,
    current_setting('fsync')::boolean::integer as fsync,
    current_setting('full_page_writes')::boolean::integer as full_page_writes,
    current_setting('track_counts')::boolean::integer as track_counts,
    current_setting('track_io_timing')::boolean::integer as track_io_timing,
    current_setting('data_checksums')::boolean::integer as data_checksums
from pg_control_checkpoint() as control

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
