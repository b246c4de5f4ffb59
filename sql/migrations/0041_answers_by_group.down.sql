-- Undoes 0041: the functions as they are after it return a row a group, which an older release would not replace.
drop function if exists monitoring_internal.fold_query(
    text, double precision, timestamptz, integer[], integer[], text[], timestamptz[], timestamptz[], interval,
    timestamptz, timestamptz[]);
drop function if exists monitoring_internal.fold_values(
    text, integer[], integer[], text[], timestamptz[], timestamptz[], interval, timestamptz, timestamptz[]);
drop function if exists monitoring_internal.fold_ends(
    text, integer[], integer[], text[], timestamptz[], timestamptz[], interval, timestamptz, timestamptz[]);
drop function if exists monitoring_internal.fold_steps(
    text, timestamptz, integer[], integer[], text[], timestamptz[], timestamptz[], interval, timestamptz,
    timestamptz[]);
drop function if exists monitoring_internal.fold_exact_quantiles(
    double precision, integer[], integer[], text[], timestamptz[], timestamptz[], interval, timestamptz,
    timestamptz[]);
drop function if exists monitoring_internal.fold_sketched_quantiles(
    double precision, integer[], integer[], text[], timestamptz[], timestamptz[], interval, timestamptz,
    timestamptz[]);
drop function if exists monitoring_internal.query_values(
    monitoring.metric_families, integer[], integer[], timestamptz, timestamptz, interval, text, timestamptz);
