"""Delta tables as the platform uses them: whole-partition writes, merges, ledgers, versions.

Belongs here: where a table lives (`layout`), what may be written (`conform`), how a write becomes exactly one commit
(`commits`), the table itself (`table`), and the tables of a use case (`catalog`) with their columns (`schemas`, `lineage`).
Does not belong here: what the columns mean to a team (`declaration`), which rows are good (`validation`), and anything of Dagster.
"""
