-- 0032: asking the store: how a query finds its series, and how much one query may return.

-- Matchers that name a value are found here, whatever the label. Labels never change.
create index series_labels_idx on monitoring.series using gin (labels jsonb_path_ops);

-- The labels by which the described systems ask: only their own series are in these.
create index series_platform_idx on monitoring.series ((labels ->> 'platform')) where labels ? 'platform';
create index series_asset_idx on monitoring.series ((labels ->> 'asset_id')) where labels ? 'asset_id';
create index series_host_idx on monitoring.series ((labels ->> 'host_id')) where labels ? 'host_id';
create index series_system_idx on monitoring.series ((labels ->> 'system_id')) where labels ? 'system_id';

insert into monitoring.settings (name, value, default_value, kind, minimum, maximum, description) values
    ('query.max_points', '1000000', '1000000', 'integer', '1000', '100000000',
        'How many values one query of the store may return; one that would return more is refused.'),
    ('query.lookback', '1h', '1h', 'interval', '0s', '31days',
        'How far before its start query_range looks for the value from which a counter''s first step is taken.');
