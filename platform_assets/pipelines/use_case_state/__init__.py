"""The state of a use case, read: tables, ledger, files and one scrape of metrics, put together with what Dagster knows.

Belongs here: reading, bounded however large the tables are. Does not belong here: what of it is wrong
(`monitoring/use_case_page/findings.py`), and asking Dagster (`orchestration/operations_facts.py`).
"""
