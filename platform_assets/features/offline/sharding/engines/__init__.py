"""The engines that carry out the stages of a backfill in shards.

Belongs here: one module for each engine, and the Protocol that they follow. Does not belong here: the stages themselves
(`sharding/stages.py`).
"""
