"""SQL databases: event days, whole tables, and what is new since a cursor.

Belongs here: connecting, asking, and a database's values as columns. Does not belong here: casting to declared types
(`connectors/conforming.py`).
"""
