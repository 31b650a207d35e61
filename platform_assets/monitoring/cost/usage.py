"""Quantities of work that was done, and what they are kept as.

Belongs here: the quantities, their kinds, and the rows of the usage table. Does not belong here: prices (`price_sheet.py`) or sums
(`attribution.py`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import datetime
from typing import Any, Final, Self

import polars as pl

from platform_assets.lake.layout import (
    CLEAN,
    FEATURES,
    HISTORY,
    MODEL,
    PREDICTIONS,
    PROFILE,
    QUARANTINE,
    RAW,
    SERVING,
    TRAINING,
)
from platform_assets.lake.schemas import USAGE_SCHEMA

DATA, FEATURE_WORK, TRAIN, SERVE, WATCH = "data", "features", "training", "serving", "monitoring"
SERVICE, PROXY, STORAGE, OVERHEAD = "service", "proxy", "storage", "overhead"
KINDS: Final = (DATA, FEATURE_WORK, TRAIN, SERVE, WATCH, OVERHEAD, SERVICE, PROXY, STORAGE)
"""What is paid for: steps by the stage of the journey that they belong to, what a run takes beside its steps, the processes of a service, a
share of the proxy, and stored bytes."""

_KIND_OF_LAYER: Final = {
    **dict.fromkeys((RAW, CLEAN, QUARANTINE, HISTORY, PROFILE), DATA),
    FEATURES: FEATURE_WORK,
    **dict.fromkeys((TRAINING, MODEL), TRAIN),
    **dict.fromkeys((SERVING, PREDICTIONS), SERVE),
}


def kind_of_layer(layer: str) -> str:
    """What a step is for, by the layer of the table that it makes."""
    return _KIND_OF_LAYER.get(layer, WATCH)


@dataclass(frozen=True)
class Quantities:
    """What a piece of work took.

    Attributes:
        seconds: by the clock.
        cpu_seconds: of all threads, and of child processes that ended.
        gigabyte_seconds: resident memory over time, GB = 10^9 bytes.
        gpu_seconds: seconds for which GPUs were held, times their number; 0 where none was seen.
        read_bytes: by files and sockets.
        written_bytes: likewise.
    """

    seconds: float = 0.0
    cpu_seconds: float = 0.0
    gigabyte_seconds: float = 0.0
    gpu_seconds: float = 0.0
    read_bytes: int = 0
    written_bytes: int = 0

    def __add__(self, other: Quantities) -> Quantities:
        """Both together."""
        return Quantities(*(getattr(self, one.name) + getattr(other, one.name) for one in fields(self)))

    def plain(self) -> dict[str, float]:
        """Numbers by their names, rounded to what is known of them."""
        return {name: round(value, 4) for name, value in asdict(self).items()}

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Self:
        """From what `plain` returned; what is missing is 0, and what is unknown is left out."""
        known = {one.name for one in fields(cls)}
        return cls(**{name: value for name, value in values.items() if name in known})


@dataclass(frozen=True)
class PartUsage:
    """A part of a training.

    Attributes:
        part: candidate, trial and fold.
        seconds: by the clock.
        cpu_seconds: of the process.
    """

    part: str
    seconds: float
    cpu_seconds: float


@dataclass(frozen=True)
class RunUsage:
    """A run that ended.

    Attributes:
        use_case: whose.
        job: its name without the use case.
        days: days it was about, as its tags say; empty where it has none.
        ended_at: by the machine's clock.
        steps: what each step took, by `layer/table`.
        cpu_seconds: of the run's whole process; None where nobody measured it.
        parts: of those steps that say what their parts took.
    """

    run_id: str
    use_case: str
    job: str
    days: str
    ended_at: datetime
    steps: Mapping[str, Quantities] = field(default_factory=dict)
    cpu_seconds: float | None = None
    parts: Mapping[str, Sequence[PartUsage]] = field(default_factory=dict)

    @property
    def overhead_cpu_seconds(self) -> float:
        """What the run took beside its steps: imports, and Dagster's own work."""
        known = sum(step.cpu_seconds for step in self.steps.values())
        return 0.0 if self.cpu_seconds is None else max(0.0, self.cpu_seconds - known)


@dataclass(frozen=True)
class ProcessReading:
    """A process that goes on, as it was when it was looked at.

    Attributes:
        name: version of the release that it serves, or the program.
        identity: of the process, unique also after its number was given to another one.
        kind: `service` or `proxy`.
        cpu_seconds: since it began, with its children.
        resident_bytes: now, with its children.
        seconds: since it began.
        share: of it that this use case pays, 0 to 1.
        requests: that the version answered since it began to count; None where it is not known.
    """

    name: str
    identity: str
    kind: str
    cpu_seconds: float
    resident_bytes: int
    seconds: float
    share: float = 1.0
    requests: int | None = None


def run_rows(run: RunUsage) -> list[dict[str, Any]]:
    """Rows of the usage table for a run: one for each step, or for each part of it and the rest, and one for what is left."""
    base = {"at": run.ended_at, "run_id": run.run_id, "job": run.job, "days": run.days or None}
    rows = [
        {**base, "kind": kind_of_layer(name.partition("/")[0]), "name": name, "part": part, **asdict(used)}
        for name, whole in run.steps.items()
        for part, used in parted(whole, run.parts.get(name, ()))
    ]
    left = run.overhead_cpu_seconds
    if left or not rows:
        rows.append({**base, "kind": OVERHEAD, "name": run.job, **asdict(Quantities(cpu_seconds=left))})
    return rows


def parted(whole: Quantities, parts: Sequence[PartUsage]) -> list[tuple[str | None, Quantities]]:
    """A step by its parts, and last, without a name, what it took beside them; together they are the step.

    CPU is that of each part. Memory and GPUs are held by the process, not by a part: they are shared by the parts' seconds. Parts that ran
    side by side, or that were rounded, never add up to more than the step: they are made smaller alike.
    """
    if not parts:
        return [(None, whole)]
    cpu, seconds = sum(part.cpu_seconds for part in parts), sum(part.seconds for part in parts)
    cpu_scale = min(1.0, whole.cpu_seconds / cpu) if cpu else 0.0
    clock_scale = min(1.0, whole.seconds / seconds) if seconds else 0.0
    rows: list[tuple[str | None, Quantities]] = []
    rest = whole
    for part in parts:
        held = clock_scale * part.seconds
        share = held / whole.seconds if whole.seconds else 0.0
        used = Quantities(
            seconds=held,
            cpu_seconds=cpu_scale * part.cpu_seconds,
            gigabyte_seconds=share * whole.gigabyte_seconds,
            gpu_seconds=share * whole.gpu_seconds,
        )
        rows.append((part.part, used))
        rest = replace(
            rest,
            seconds=max(0.0, rest.seconds - used.seconds),
            cpu_seconds=max(0.0, rest.cpu_seconds - used.cpu_seconds),
            gigabyte_seconds=max(0.0, rest.gigabyte_seconds - used.gigabyte_seconds),
            gpu_seconds=max(0.0, rest.gpu_seconds - used.gpu_seconds),
        )
    return [*rows, (None, rest)]


def process_rows(
    readings: Sequence[ProcessReading], before: Mapping[str, Mapping[str, Any]], at: datetime
) -> list[dict[str, Any]]:
    """Rows for processes that go on: what each took since it was last looked at, or since it began.

    Args:
        readings: of now.
        before: the newest row of each process by its identity.
        at: when they were read.
    """
    rows = []
    for one in readings:
        last = before.get(one.identity)
        known = last is not None and last["reading_cpu_seconds"] <= one.cpu_seconds
        since = (at - last["at"]).total_seconds() if known and last is not None else one.seconds
        cpu = one.cpu_seconds - (last["reading_cpu_seconds"] if known and last is not None else 0.0)
        earlier = last["reading_requests"] if known and last is not None else 0
        requests = None if one.requests is None else max(0, one.requests - (earlier or 0))
        seconds = max(0.0, since)
        rows.append(
            {
                "at": at,
                "kind": one.kind,
                "name": one.name,
                "process": one.identity,
                "seconds": seconds,
                "cpu_seconds": cpu * one.share,
                "gigabyte_seconds": one.resident_bytes / 1e9 * seconds * one.share,
                "requests": requests,
                "reading_cpu_seconds": one.cpu_seconds,
                "reading_requests": one.requests,
            }
        )
    return rows


def storage_rows(
    stored_bytes: Mapping[str, int], before: datetime | None, at: datetime, most_seconds: float
) -> list[dict[str, Any]]:
    """Rows for tables: the bytes of all their versions, held since they were last counted.

    Args:
        stored_bytes: by `layer/table`.
        before: when they were last counted; None for never.
        at: when they were counted.
        most_seconds: that are charged at once.
    """
    seconds = 0.0 if before is None else min(most_seconds, max(0.0, (at - before).total_seconds()))
    return [
        {
            "at": at,
            "kind": STORAGE,
            "name": name,
            "seconds": seconds,
            "stored_bytes": held,
            "gigabyte_hours_stored": held / 1e9 * seconds / 3600,
        }
        for name, held in stored_bytes.items()
    ]


def usage_frame(rows: Iterable[Mapping[str, Any]]) -> pl.DataFrame:
    """Rows as the usage table has them; what a row does not have is null."""
    complete = [{**dict.fromkeys(USAGE_SCHEMA), **row, "event_day": row["at"].date()} for row in rows]
    return pl.DataFrame(complete, schema=USAGE_SCHEMA, orient="row")
