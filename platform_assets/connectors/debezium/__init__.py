"""Feeds of row changes in the Debezium envelope, from files or a topic.

Belongs here: what an envelope says happened to which row. Does not belong here: Kafka itself (`connectors/kafka/`).
"""
