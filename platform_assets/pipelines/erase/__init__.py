"""Erase an entity on request: from every table and version, the online store and the log.

Belongs here: what is erased of one entity, in which order, and what is left. Does not belong here: rewriting a table (`lake/erasure.py`)
or a segment (`monitoring/log_erasure.py`), printing (`cli/erase.py`).
"""
