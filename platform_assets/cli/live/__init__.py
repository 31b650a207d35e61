"""`platform-assets live`: a simulated world goes on by itself, a day each few seconds, under Dagster's daemon.

Belongs here: the world's home and clock, the processes that keep it going, its traffic, and what is told of it. Does not belong here: what
is due (`pipelines/due.py`), or anything that the daemon does by itself.
"""
