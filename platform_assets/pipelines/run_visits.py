"""The days at which a run asks what is due, and what it wants then: from the history to the last day that is watched.

Belongs here: calendar arithmetic, and how many jobs a run has before it. Does not belong here: what is due (`due.py`), running it, or the
traffic between two days (`cli/run/`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta

from platform_assets.declaration import UseCase
from platform_assets.declaration.days import ONE_DAY, DayRange
from platform_assets.pipelines.due import DueJob, Materialized, due, evidence_table, polled
from platform_assets.pipelines.jobs import (
    DECIDE,
    JUDGE,
    LABELS,
    LOAD,
    LOG,
    ONLINE,
    PREDICT,
    REFERENCE,
    TRAIN,
    WATCH,
    TableName,
    job_tables,
)
from platform_assets.pipelines.timeline import Timeline


@dataclass(frozen=True)
class Visit:
    """A day as of which a run asks what is due.

    Attributes:
        as_of: the day.
        wanted: days of each daily job.
    """

    as_of: date
    wanted: Mapping[str, DayRange]


def history_visit(days: Timeline) -> Visit:
    """The history up to the first live day, and a model as of that day."""
    last = days.history.last
    wanted = {
        LABELS: days.labels,
        LOAD: days.history,
        ONLINE: DayRange(last, last),
        TRAIN: DayRange(days.as_of, days.as_of),
    }
    return Visit(days.as_of, wanted)


def live_day_visit(use_case: UseCase, day: date) -> Visit:
    """A live day once it is over: the labels that have arrived, its events and features, and the online store."""
    newest_label = day - timedelta(days=max(1, use_case.label_arrival_days) - 1)
    today = DayRange(day, day)
    return Visit(day + ONE_DAY, {LABELS: DayRange(newest_label, newest_label), LOAD: today, ONLINE: today})


def predicted_visit(use_case: UseCase, days: Timeline) -> Visit:
    """The live days of a use case without a service: their events, the labels known meanwhile, their predictions."""
    known = DayRange(days.labels.last, days.live.last - timedelta(days=max(1, use_case.label_arrival_days)))
    predicted = days.live if use_case.is_trained_here else DayRange(days.history.first, days.live.last)
    return Visit(days.live.last + ONE_DAY, {LABELS: known, LOAD: days.live, PREDICT: predicted})


def watched_visits(use_case: UseCase, days: Timeline) -> Iterator[Visit]:
    """The prediction log as a table, then drift, then the labels that have arrived since and quality."""
    last = DayRange(days.live.last, days.live.last)
    yield Visit(last.last + ONE_DAY, {LOG: days.live, WATCH: last})
    arrived = last.last + timedelta(days=max(1, use_case.label_delay_days))
    newest_label = arrived - timedelta(days=max(1, use_case.label_arrival_days))
    yield Visit(arrived, {LABELS: DayRange(days.labels.last, newest_label), JUDGE: last})
    decided = last.last + ONE_DAY
    yield Visit(decided, {DECIDE: DayRange(decided, decided)})


def run_visits(use_case: UseCase, days: Timeline) -> Iterator[Visit]:
    """All of a run, in order."""
    yield history_visit(days)
    if use_case.is_realtime and not use_case.answers_requests:
        return
    if use_case.is_realtime:
        yield from (live_day_visit(use_case, day) for day in days.live.days)
    else:
        yield predicted_visit(use_case, days)
    yield from watched_visits(use_case, days)


def jobs_ahead(use_case: UseCase, days: Timeline, materialized: Materialized) -> list[DueJob]:
    """The jobs that a run has before it, as far as what was materialized tells: what each one makes counts as there for those after it."""
    known: dict[TableName, dict[date | None, int]] = {table: dict(made) for table, made in materialized.items()}
    newest = max((number for made in known.values() for number in made.values()), default=0)
    ahead = polled(use_case)
    for visit in run_visits(use_case, days):
        for job in due(use_case, known, visit.as_of, visit.wanted):
            ahead.append(job)
            newest += 1
            made = [*job_tables(use_case)[job.job], evidence_table(use_case, job.job)] if job.job != REFERENCE else []
            for table in made or job_tables(use_case)[job.job]:
                days_made = job.days.days if job.days is not None else [None]
                known.setdefault(table, {}).update(dict.fromkeys(days_made, newest))
    return ahead
