"""Scored events that are not in the states yet, seen by every process that serves.

Belongs here: one exchange for each kind of online store, behind one Protocol. Does not belong here: the states
(`online/state_table.py`), or events that wait within one process only (`online/pending.py`).
"""
