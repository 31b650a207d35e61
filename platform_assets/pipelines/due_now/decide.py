"""The answer: what starts now, and what waits and why.

Belongs here: putting candidates and attempts together. Does not belong here: either of them.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime

from platform_assets.declaration import UseCase
from platform_assets.declaration.days import DayRange
from platform_assets.declaration.time_zones import day_of
from platform_assets.pipelines.due import DueJob
from platform_assets.pipelines.due_now.answer import DueAnswer, Remembered, Request, Waiting
from platform_assets.pipelines.due_now.attempts import choose
from platform_assets.pipelines.due_now.candidates import EVERY_JOB
from platform_assets.pipelines.due_now.standing import Standing
from platform_assets.pipelines.due_now.times import DUE_AT, FEED_EVERY, as_of_day, due_moment, feed_slot, next_moment
from platform_assets.pipelines.jobs import FEED, LABELS, LOAD, job_tables


def due_now(use_case: UseCase, remembered: Remembered, moment: datetime, fed_at: datetime | None = None) -> DueAnswer:
    """What is due at a moment.

    Everything since the handover is wanted, that is since the first day whose features were computed. Each job runs once at a time; a job
    whose inputs are not there waits. What failed is asked again after a while, so many times a day.

    Args:
        use_case: the declaration.
        remembered: what was materialized and run.
        moment: the clock's time.
        fed_at: when incremental sources were last asked.

    Returns:
        Runs to start now in the order in which data flows, and what waits.
    """
    seen = Standing(use_case, remembered, moment)
    wake_at = next_moment(use_case, moment)
    if seen.handed_over_from is None:
        under_way = any(run.outcome == "under_way" for run in remembered.runs)
        note = (
            "a run is in progress"
            if under_way
            else f"nothing was loaded yet: `platform-assets run {use_case.name}` begins"
        )
        return DueAnswer(notes=[note], wake_at=wake_at)
    feed = _feed(seen, fed_at)
    first = _taken_in_first(seen, feed, fed_at)
    candidates = [one for each in EVERY_JOB for one in each(seen)]
    if first:
        candidates = [replace(one, waits_for=first) if one.job in (LABELS, LOAD) else one for one in candidates]
    requests, waiting = choose(seen, candidates)
    if FEED in job_tables(use_case):
        wake_at = min(wake_at, feed_slot(moment) + FEED_EVERY)
    ends = [one.until for one in waiting if one.until is not None]
    return DueAnswer([*feed, *requests], _together(waiting), wake_at=min([wake_at, *ends]))


def _feed(seen: Standing, fed_at: datetime | None) -> list[Request]:
    slot = feed_slot(seen.moment)
    under_way = any(run.job == FEED and run.outcome == "under_way" for run in seen.remembered.runs)
    if FEED not in job_tables(seen.use_case) or under_way or (fed_at is not None and fed_at >= slot):
        return []
    day = day_of(slot, seen.use_case.time_zone)
    return [Request(DueJob(FEED), DayRange(day, day), 1, int(slot.timestamp()), slot)]


def _taken_in_first(seen: Standing, feed: Sequence[Request], fed_at: datetime | None) -> str:
    """Why days are not loaded yet: what changed until they were over is taken in first, once; empty where that was done."""
    if FEED not in job_tables(seen.use_case):
        return ""
    over = due_moment(seen.use_case, LOAD, as_of_day(seen.use_case, LOAD, seen.moment)) - DUE_AT[LOAD]
    under_way = any(run.job == FEED and run.outcome == "under_way" for run in seen.remembered.runs)
    return "changes are taken in first" if under_way or (feed and (fed_at is None or fed_at < over)) else ""


def _together(waiting: Iterable[Waiting]) -> list[Waiting]:
    """The same reason of days that follow each other, once."""
    found: list[Waiting] = []
    for one in waiting:
        last = found[-1] if found else None
        if last is not None and (last.job, last.reason, last.until) == (one.job, one.reason, one.until):
            found[-1] = Waiting(one.job, DayRange(last.days.first, one.days.last), one.reason, one.until, one.is_stuck)
        else:
            found.append(one)
    return found
