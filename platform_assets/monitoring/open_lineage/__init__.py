"""Lineage to the outside: what ran, read and wrote, as OpenLineage events.

Belongs here: events and their delivery. Does not belong here: the graph that column lineage comes from (`lake/lineage`), reading what ran
(`orchestration/open_lineage_sensor.py`).

The events are plain JSON by the published schemas. The client of that project was looked at: its classes check no more than types, it
brings another HTTP library, and it sends from the process that works, which a run would then wait for.
"""
