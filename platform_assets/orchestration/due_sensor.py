"""The sensor that starts what is due: one for each use case, in place of schedules.

It reads what was materialized and run, asks `pipelines/due_now/` and requests what can start now. While nothing happened and no time of
the clock was reached, a tick reads one line for each table and asks nothing. Belongs here: that tick. Does not belong here: what is due
(`pipelines/due_now/`), Dagster's memory in plain values (`due_runs.py`), new models for a reason (`sensors.py`).
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Self
from zlib import crc32

import dagster as dg

from platform_assets.declaration import UseCase
from platform_assets.declaration.clock import Clock
from platform_assets.orchestration.due_runs import automatic_request, read_remembered, sensor_name
from platform_assets.orchestration.jobs import Jobs
from platform_assets.orchestration.metadata import asset_key
from platform_assets.orchestration.sensors import sensor_status
from platform_assets.pipelines.due_now.answer import DueAnswer, Waiting
from platform_assets.pipelines.due_now.candidates import tables_to_read
from platform_assets.pipelines.due_now.decide import due_now
from platform_assets.pipelines.jobs import FEED, TableName
from platform_assets.pipelines.turns import run_is_under_way

INTERVAL_SECONDS = 30
SIMULATED_INTERVAL_SECONDS = 1
"""In a world whose days last seconds."""

SHOWN = 5


@dataclass(frozen=True)
class DueCursor:
    """What a tick leaves for the next.

    Attributes:
        fed_at: when incremental sources were last asked, ISO.
        seen: what the newest materializations were; empty where the next tick has to look at everything.
        wake_at: the time of the clock at which to look again although nothing happened, ISO.
        reason: why nothing was asked for.
    """

    fed_at: str | None = None
    seen: str = ""
    wake_at: str | None = None
    reason: str = ""

    @classmethod
    def of(cls, text: str | None) -> Self:
        """The cursor as it was stored; one that cannot be read is none."""
        try:
            return cls(**json.loads(text or "{}"))
        except (ValueError, TypeError):
            return cls()

    def is_asleep(self, seen: str, now: datetime) -> bool:
        """Whether nothing has changed since."""
        return bool(self.seen) and self.seen == seen and self.wake_at is not None and now.isoformat() < self.wake_at

    def text(self) -> str:
        """As it is stored."""
        return json.dumps(asdict(self))


def due_sensor(
    use_case: UseCase, jobs: Jobs, *, running: bool = False, interval_seconds: int = INTERVAL_SECONDS
) -> dg.SensorDefinition:
    """Starts the jobs of a use case that are due, in the order in which data flows."""
    tables, meaning = tables_to_read(use_case), f"{crc32(repr(use_case).encode()):08x}"

    @dg.sensor(
        jobs=list(jobs.values()),
        name=sensor_name(use_case),
        minimum_interval_seconds=interval_seconds,
        default_status=sensor_status(running=running),
        description="Starts what is due: loads, labels, online store, training, monitoring, upkeep; catches up what was missed, in order.",
    )
    def due(
        context: dg.SensorEvaluationContext, clock: dg.ResourceParam[Clock], home: dg.ResourceParam[Path]
    ) -> dg.SensorResult:
        cursor, now = DueCursor.of(context.cursor), clock.now()
        if run_is_under_way(home):
            reason = f"`platform-assets run` works on {home}; what is due then is asked for when it has ended"
            return dg.SensorResult(skip_reason=reason, cursor=DueCursor(cursor.fed_at).text())
        seen = f"{meaning} {_newest(use_case, context.instance, tables)}"
        if cursor.is_asleep(seen, now):
            return dg.SensorResult(skip_reason=cursor.reason, cursor=context.cursor)
        remembered = read_remembered(use_case, context.instance, tables)
        fed_at = datetime.fromisoformat(cursor.fed_at) if cursor.fed_at else None
        answer = due_now(use_case, remembered, now, fed_at)
        for stuck in (one for one in answer.waiting if one.is_stuck):
            context.log.warning(f"{use_case.name}: {stuck}")
        requests = [automatic_request(use_case, request) for request in answer.requests]
        fed = [request.asked_at.isoformat() for request in answer.requests if request.due.job == FEED]
        quiet = not requests and not any(run.outcome == "under_way" for run in remembered.runs)
        told = sentence(answer)
        kept = DueCursor(
            fed_at=fed[0] if fed else cursor.fed_at,
            seen=seen if quiet else "",
            wake_at=answer.wake_at.isoformat() if answer.wake_at else None,
            reason=told,
        )
        if requests:
            return dg.SensorResult(run_requests=requests, cursor=kept.text())
        return dg.SensorResult(skip_reason=told, cursor=kept.text())

    return due


def sentence(answer: DueAnswer) -> str:
    """What an answer that asks for nothing says."""
    told = [*answer.notes, *(str(one) for one in _stuck_first(answer.waiting)[:SHOWN])]
    more = len(answer.waiting) - SHOWN
    if more > 0:
        told.append(f"and {more} more")
    return "; ".join(told) or "nothing is due"


def _stuck_first(waiting: Sequence[Waiting]) -> list[Waiting]:
    return sorted(waiting, key=lambda one: not one.is_stuck)


def _newest(use_case: UseCase, instance: dg.DagsterInstance, tables: Sequence[TableName]) -> int:
    """The number of the newest materialization of the tables."""
    keys = [asset_key(use_case, layer, table) for layer, table in tables]
    records = instance.get_asset_records(keys)
    return max((record.asset_entry.last_materialization_storage_id or 0 for record in records), default=0)
