"""Files on disk and in object stores: by event day, and as deliveries of changes.

Belongs here: where files lie, taking text apart, and which files are new. Does not belong here: casting to declared types
(`connectors/conforming.py`).
"""
