-- Undoes 0022: the rules stay, and what was shipped is forgotten.
drop table monitoring.alert_pack_rules;
