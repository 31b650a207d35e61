"""When what failed is asked again: after a while that grows, and so many times a day.

Belongs here: the rule, and choosing the runs to start from what is due. Does not belong here: what is due (`candidates.py`), or retries
by the cause of a death (`orchestration/retries.py`).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from platform_assets.declaration.days import ONE_DAY, DayRange
from platform_assets.declaration.time_zones import day_of, day_start
from platform_assets.pipelines.due import IN_ONE_RUN, DueJob
from platform_assets.pipelines.due_now.answer import DueDay, Request, StartedRun, Waiting
from platform_assets.pipelines.due_now.reach import job_reach
from platform_assets.pipelines.due_now.standing import Standing
from platform_assets.pipelines.jobs import JOBS, MAINTAIN, REFERENCE

BACK_OFF = (timedelta(minutes=5), timedelta(minutes=30), timedelta(hours=2), timedelta(hours=6))
"""How long after the first, second, ... attempt of a day the next one is made, by the clock."""

MAX_ATTEMPTS = len(BACK_OFF) + 1
"""How often the same is tried on one day of the clock."""


@dataclass(frozen=True)
class _Startable:
    candidate: DueDay
    attempt: int


def choose(seen: Standing, candidates: Iterable[DueDay]) -> tuple[list[Request], list[Waiting]]:
    """The runs to start now and what waits: for each job one run at a time, days that never failed together, others one by one.

    Args:
        seen: the use case as it stands.
        candidates: what is due, of each job in the order of its days.

    Returns:
        Requests in the order in which data flows, and what waits.
    """
    due = list(candidates)
    requests: list[Request] = []
    waiting: list[Waiting] = []
    for job in JOBS:
        of_job = [one for one in due if one.job == job]
        if not of_job:
            continue
        if any(run.job == job and run.outcome == "under_way" for run in seen.remembered.runs):
            days = DayRange(of_job[0].day, of_job[-1].day)
            waiting.append(Waiting(job, days, "a run of this job is queued or in progress"))
            continue
        startable: list[_Startable] = []
        for one in of_job:
            verdict = _judge(seen, one)
            if isinstance(verdict, Waiting):
                waiting.append(verdict)
            else:
                startable.append(verdict)
        if startable:
            requests.append(_request(seen, _first_run(startable)))
    return requests, waiting


def _judge(seen: Standing, candidate: DueDay) -> _Startable | Waiting:
    """Whether a day can start now, and as which attempt."""
    days = DayRange(candidate.day, candidate.day)
    if candidate.waits_for:
        return Waiting(candidate.job, days, candidate.waits_for)
    failed = failed_attempts(seen, candidate)
    if not failed:
        return _Startable(candidate, 1)
    zone, newest = seen.use_case.time_zone, failed[-1]
    assert newest.asked_at is not None
    today = day_of(seen.moment, zone)
    of_today = [run for run in failed if run.asked_at is not None and day_of(run.asked_at, zone) == today]
    most = 1 if candidate.day in _left_out(seen, candidate.job) else MAX_ATTEMPTS
    if len(of_today) >= most:
        until = day_start(today + ONE_DAY, zone)
        reason = f"failed {len(of_today)} times today, which is as often as it is tried; again from {_shown(until)}"
        return Waiting(candidate.job, days, reason, until, is_stuck=most > 1)
    if of_today:
        until = newest.asked_at + BACK_OFF[len(of_today) - 1]
        if seen.moment < until:
            reason = f"attempt {len(of_today)} of {MAX_ATTEMPTS} today failed; again from {_shown(until)}"
            return Waiting(candidate.job, days, reason, until)
    return _Startable(candidate, len(failed) + 1)


def _left_out(seen: Standing, job: str) -> set[date]:
    """Days that a job publishes and nothing waits for any longer; once a day is often enough to see whether they came."""
    daily = [source for source in seen.use_case.sources if source.is_daily and seen.loads(source) == job]
    return {day for source in daily for day in seen.left_out(source)}


def failed_attempts(seen: Standing, candidate: DueDay) -> list[StartedRun]:
    """Runs that tried this day and did not do it, oldest first: those that failed, and those that ended well and left it due."""
    ended = [
        run
        for run in seen.remembered.runs
        if run.asked_at is not None
        and run.outcome != "under_way"
        and run.is_about(candidate.job, candidate.part, candidate.day)
        and (run.outcome == "failed" or run.cause >= candidate.cause)
    ]
    return sorted(ended, key=lambda run: run.asked_at or datetime.min)


def _first_run(startable: Sequence[_Startable]) -> list[_Startable]:
    """The days of the first run: in a job that takes a range all that follow without a gap and never failed."""
    first, *others = startable
    together = [first]
    if first.attempt > 1 or first.candidate.job not in IN_ONE_RUN:
        return together
    for one in others:
        follows = one.candidate.day - together[-1].candidate.day == ONE_DAY
        if not follows or one.attempt > 1 or one.candidate.part != first.candidate.part:
            break
        together.append(one)
    return together


def _request(seen: Standing, together: Sequence[_Startable]) -> Request:
    first, last = together[0].candidate, together[-1].candidate
    about = DayRange(first.day, last.day)
    without_partitions = first.job in (REFERENCE, MAINTAIN)
    return Request(
        due=DueJob(first.job, None if without_partitions else about, first.part),
        about=about,
        attempt=together[0].attempt,
        cause=max(one.candidate.cause for one in together),
        asked_at=seen.moment,
        without=left_out_of(seen, first.job, about),
    )


def _shown(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M}"


def left_out_of(seen: Standing, job: str, days: DayRange) -> dict[str, list[date]]:
    """Days of sources that a run is made without, by the rule of `late`."""
    found: dict[str, set[date]] = {}
    for reach in job_reach(seen.use_case, job):
        if reach.first is None:
            continue
        first, last = days.first + timedelta(days=reach.first), days.last + timedelta(days=reach.last)
        source = seen.use_case.source(reach.source)
        tried = set(days.days) if seen.loads(source) == job else set()  # they are there by then, or the run fails
        of_source = [day for day in seen.left_out(source) if first <= day <= last and day not in tried]
        if of_source:
            found.setdefault(reach.source, set()).update(of_source)
    return {source: sorted(of_source) for source, of_source in found.items()}
