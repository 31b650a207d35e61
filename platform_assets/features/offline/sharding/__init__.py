"""A history that does not fit into memory: sharded by entity, each shard computed by the window kernel, put together by day again.

Belongs here: what a shard is, the three stages of a backfill, and the engines that carry them out. Does not belong here: the windows
(`features/aggregation/`), which tables are read and the commit (`pipelines/shard_backfill.py`).
"""
