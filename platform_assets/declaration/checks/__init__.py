"""Cross-checks of a declaration: what no section can see alone.

Belongs here: functions from a declaration to what is wrong with it, each with its place. Does not belong here: limits of a single field
(`sections/`), and how a problem becomes a message with file and line (`loader.py`).
"""
