"""When what failed is asked again: after a while that grows, and so many times a day.

Belongs here: the rule, and choosing the runs to start from what is due. Does not belong here: what is due (`candidates.py`), or retries
by the cause of a death (`orchestration/retries.py`).
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from platform_assets.declaration.days import ONE_DAY, DayRange
from platform_assets.declaration.time_zones import day_of, day_start
from platform_assets.pipelines.due import IN_ONE_RUN, DueJob
from platform_assets.pipelines.due_now.answer import DueDay, Request, StartedRun, Waiting
from platform_assets.pipelines.due_now.reach import job_reach
from platform_assets.pipelines.due_now.standing import Standing
from platform_assets.pipelines.jobs import DECIDE, JOBS, JUDGE, LOG, MAINTAIN, PREDICT, REFERENCE, WATCH

BACK_OFF = (timedelta(minutes=5), timedelta(minutes=30), timedelta(hours=2), timedelta(hours=6))
"""How long after the first, second, ... attempt of a day the next one is made, by the clock."""

MAX_ATTEMPTS = len(BACK_OFF) + 1
"""How often the same is tried on one day of the clock."""

GIVE_UP_DAYS = 7
GIVEN_UP = frozenset({LOG, PREDICT, WATCH, JUDGE, DECIDE})
"""Jobs whose days are given up so many days later, where they failed as often as is tried on a day: what they tell is old by then."""


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
        often = _tried_often(seen, of_job)
        for one in of_job:
            verdict = _judge(seen, one, often)
            if isinstance(verdict, Waiting):
                waiting.append(verdict)
            else:
                startable.append(verdict)
        if startable:
            in_order = sorted(startable, key=lambda one: (one.attempt > 1, one.candidate.day))
            requests.append(_request(seen, _first_run(in_order)))
    return requests, waiting


def _judge(seen: Standing, candidate: DueDay, often: Collection[date]) -> _Startable | Waiting:
    """Whether a day can start now, and as which attempt."""
    days = DayRange(candidate.day, candidate.day)
    if candidate.waits_for:
        return Waiting(candidate.job, days, candidate.waits_for)
    failed = failed_attempts(seen, candidate)
    zone, today = seen.use_case.time_zone, day_of(seen.moment, seen.use_case.time_zone)
    if len(failed) >= MAX_ATTEMPTS and _is_given_up(seen, candidate):
        reason = f"failed {len(failed)} times and is given up after {GIVE_UP_DAYS} days; start it by hand once its cause is mended"
        return Waiting(candidate.job, days, reason, is_stuck=True)
    success = max((_asked_at(run) for run in _ended(seen, candidate.job) if run.outcome == "succeeded"), default=None)
    of_today = [at for at in map(_asked_at, failed) if day_of(at, zone) == today and (success is None or at >= success)]
    most = MAX_ATTEMPTS if not failed or candidate.day in often else 1
    if len(of_today) >= most:
        until = day_start(today + ONE_DAY, zone)
        times = (
            "once today, as often as an older day is tried"
            if most == 1
            else f"{most} times today, as often as it is tried"
        )
        return Waiting(candidate.job, days, f"failed {times}; again from {_shown(until)}", until, is_stuck=most > 1)
    if of_today:
        until = of_today[-1] + BACK_OFF[len(of_today) - 1]
        if seen.moment < until:
            reason = f"attempt {len(of_today)} of {most} today failed; again from {_shown(until)}"
            return Waiting(candidate.job, days, reason, until)
    return _Startable(candidate, len(failed) + 1)


def _tried_often(seen: Standing, of_job: Sequence[DueDay]) -> set[date]:
    """Failing days of a job that are tried more than once a day: those that failed for the first time today, the oldest and the newest.

    Were every one of them, a source that is silent for weeks would have more runs fail each day. Days that are left out by a rule are not.
    """
    zone, today = seen.use_case.time_zone, day_of(seen.moment, seen.use_case.time_zone)
    failing = {one.day: attempts for one in of_job if not one.waits_for and (attempts := failed_attempts(seen, one))}
    new = {day for day, attempts in failing.items() if day_of(_asked_at(attempts[0]), zone) == today}
    return {*new, *([min(failing), max(failing)] if failing else [])} - _left_out(seen, of_job[0].job)


def _is_given_up(seen: Standing, candidate: DueDay) -> bool:
    """Whether a day of monitoring lies so far back that it is not tried any more; deliveries and models are never given up."""
    return candidate.job in GIVEN_UP and seen.newest(candidate.job) - candidate.day > timedelta(days=GIVE_UP_DAYS)


def _left_out(seen: Standing, job: str) -> set[date]:
    """Days that a job publishes and nothing waits for any longer; once a day is often enough to see whether they came."""
    daily = [source for source in seen.use_case.sources if source.is_daily and seen.loads(source) == job]
    return {day for source in daily for day in seen.left_out(source)}


def failed_attempts(seen: Standing, candidate: DueDay) -> list[StartedRun]:
    """Runs that tried this day and did not do it, oldest first: those that failed, and those that ended well and left it due."""
    tried = (run for run in _ended(seen, candidate.job) if run.is_about(candidate.job, candidate.part, candidate.day))
    left_due = (run for run in tried if run.outcome == "failed" or run.cause >= candidate.cause)
    return sorted(left_due, key=_asked_at)


def _ended(seen: Standing, job: str) -> list[StartedRun]:
    """Runs of a job that the automation asked for and that ended."""
    if "ended" not in seen.found:
        by_job: dict[str, list[StartedRun]] = {}
        for run in seen.remembered.runs:
            if run.asked_at is not None and run.outcome != "under_way":
                by_job.setdefault(run.job, []).append(run)
        seen.found["ended"] = by_job
    found: list[StartedRun] = seen.found["ended"].get(job, [])
    return found


def _asked_at(run: StartedRun) -> datetime:
    assert run.asked_at is not None
    return run.asked_at


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
