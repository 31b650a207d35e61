"""Kinesis data streams, bounded by what each shard holds when a read begins.

Belongs here: the client, shards and records. Does not belong here: what a plain message means (`plain_messages.py`).
"""
