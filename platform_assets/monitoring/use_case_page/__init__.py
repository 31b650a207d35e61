"""The page of a use case, and of all use cases: what is known of one as a plain value, what is wrong with it, and how it is shown.

Belongs here: the value (`state.py`), the rules that find what is wrong (`findings.py`), the pages. Does not belong here: reading anything
(`pipelines/use_case_state/`), or asking Dagster (`orchestration/operations_facts.py`).
"""
