"""Kafka topics, bounded by offsets.

Belongs here: the client, offsets and messages. Does not belong here: what an envelope in a message means (`connectors/debezium/`).
"""
