-- Undoes 0038.
drop table monitoring_internal.rollup_starts;
