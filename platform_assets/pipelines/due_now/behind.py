"""How far each job is behind what is due.

Belongs here: the days that are due and not done, for metrics and pages. Does not belong here: what starts now (`decide.py`).
"""

from collections.abc import Iterable
from datetime import date, datetime

from platform_assets.declaration import UseCase
from platform_assets.pipelines.due import Materialized
from platform_assets.pipelines.due_now.answer import Remembered
from platform_assets.pipelines.due_now.candidates import EVERY_JOB
from platform_assets.pipelines.due_now.standing import Standing
from platform_assets.pipelines.jobs import MAINTAIN, ONLINE, REFERENCE, job_tables


def days_behind(use_case: UseCase, materialized: Materialized, moment: datetime) -> dict[str, list[date]]:
    """Days of each job that are due at a moment, by its time of day, and not done; none before anything was loaded.

    Jobs that are known to be done by their runs alone, reference tables and upkeep, are never behind here.

    Args:
        use_case: the declaration.
        materialized: of the tables of `candidates.tables_to_read`.
        moment: the clock's time.
    """
    standing = Standing(use_case, Remembered(materialized), moment)
    behind: dict[str, list[date]] = {job: [] for job in job_tables(use_case)}
    if standing.handed_over_from is None:
        return behind
    for candidates in EVERY_JOB:
        for one in candidates(standing):
            if one.job not in (REFERENCE, MAINTAIN):
                behind[one.job].append(one.day)
    if ONLINE in behind:
        newest = max(standing.done(ONLINE), default=standing.handed_over_from)
        behind[ONLINE] += standing.since(ONLINE, newest)[1:]  # also while it waits for a day
    return {job: _without_doubles(days) for job, days in behind.items()}


def _without_doubles(days: Iterable[date]) -> list[date]:
    return sorted(set(days))
