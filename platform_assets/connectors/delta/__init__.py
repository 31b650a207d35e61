"""Delta tables that somebody else writes: event days, whole tables, and their change data feed.

Belongs here: reading them. Does not belong here: the platform's own tables (`lake/`).
"""
