"""Runs that ended since a moment, for sensors that tell others of each of them once.

Belongs here: which runs, and the cursor. Does not belong here: what is told (`run_traces.py`, `open_lineage_sensor.py`).
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

import dagster as dg
from dagster._core.storage.dagster_run import FINISHED_STATUSES, RunRecord

RUNS_A_TICK: Final = 20


def newest_change(instance: dg.DagsterInstance) -> str:
    """The cursor to begin with: when anything last happened to a run; the beginning of time where nothing ever did."""
    newest = instance.get_run_records(limit=1, order_by="update_timestamp")
    return changed_at(newest[0]) if newest else datetime.fromtimestamp(0, UTC).isoformat()


def ended_after(instance: dg.DagsterInstance, cursor: str) -> list[RunRecord]:
    """Runs that ended and changed after a cursor, the oldest change first, `RUNS_A_TICK` at most."""
    return list(
        instance.get_run_records(
            dg.RunsFilter(statuses=FINISHED_STATUSES, updated_after=datetime.fromisoformat(cursor)),
            limit=RUNS_A_TICK,
            order_by="update_timestamp",
            ascending=True,
        )
    )


def changed_at(record: RunRecord) -> str:
    """The cursor behind a run."""
    return record.update_timestamp.isoformat()
