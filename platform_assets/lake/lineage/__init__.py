"""Lineage: for every column of every table of a use case, the columns it is made from; derived from the declaration alone.

Belongs here: the graph and its questions (`graph`), and the rules for each layer (`data`, `features`, `predictions`), put together
in `use_case`. Does not belong here: Dagster's form of it (`orchestration/metadata.py`), versions of tables (`registry/pins.py`), or
printing (`cli/lineage.py`).
"""
