"""What is due now: since the handover, by the time of day, in order, with attempts and waiting.

Belongs here: the answer that the automation carries out, from what was materialized, the runs so far and a moment. Does not belong here:
which days a job has (`pipelines/due.py`), reading Dagster's memory or asking for runs (`orchestration/due_sensor.py`).
"""
