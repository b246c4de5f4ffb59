-- 0007: the settings of the exposition for Prometheus.

insert into monitoring.settings (name, value, default_value, kind, minimum, maximum, description) values
    (
        'export.max_series_per_family', '10000', '10000', 'integer', '1', '1000000',
        'Largest number of series of one metric family on the exposition page. The oldest series stay; the rest are '
        'left out and counted in pgvigil_export_folded_series.'
    );
