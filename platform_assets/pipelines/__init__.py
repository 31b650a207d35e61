"""One verb of the platform each, in plain Python: stages put together, plain results returned.

Belongs here: from a catalog and an installation's parts to what was done. Does not belong here: dagster (`orchestration/`), or what
one stage can do alone.
"""
