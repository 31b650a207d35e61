"""What Dagster is told: keys, partitions, conditions, metadata, jobs and triggers.

Belongs here: everything that imports dagster. An asset unpacks its context, calls one pipeline, and wraps the result. Does not belong
here: the work itself (`pipelines/`).
"""
