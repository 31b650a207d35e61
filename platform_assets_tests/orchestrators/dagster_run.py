"""What an exported project does in one run that begins with the history, done by Dagster's jobs.

Belongs here: the run, in a process of its own: `python -m platform_assets_tests.orchestrators.dagster_run USE_CASE AS_OF`. Does not belong
here: comparing what was made.
"""

from __future__ import annotations

import sys
from datetime import date

from platform_assets.declaration import UseCase
from platform_assets.declaration.days import DayRange
from platform_assets.declaration.loader import declared_use_cases
from platform_assets.installation import Installation
from platform_assets.orchestration.dagster_folder import use_dagster_of_environment, use_dagster_of_this_folder
from platform_assets.orchestration.in_process import InProcess
from platform_assets.pipelines.due import DAILY, due, newest_day
from platform_assets.pipelines.jobs import LABELS, LOAD, ONLINE, PREDICT, TRAIN, job_tables


def wanted_days(use_case: UseCase, as_of: date) -> dict[str, DayRange]:
    """The days of each job: the history, the newest of the rest; predictions where the model answers for that day already."""
    first, wanted = use_case.history.first_day, {}
    for job in DAILY:
        newest = newest_day(use_case, job, as_of)
        if job in (LABELS, LOAD):
            wanted[job] = DayRange(first, newest)
        elif job in (ONLINE, TRAIN) or (job == PREDICT and newest >= as_of):
            wanted[job] = DayRange(newest, newest)
    return {job: days for job, days in wanted.items() if job in job_tables(use_case)}


def run_by_dagster(name: str, as_of: date) -> None:
    """Run the jobs."""
    installation = Installation.from_environment()
    settings = installation.settings
    settings.prepare()
    use_dagster_of_this_folder(settings.home)
    use_dagster_of_environment(settings.home, settings.own_home)
    [declared] = declared_use_cases(name)
    use_case = declared.use_case
    if use_case.is_realtime:
        installation.serving.target().ensure_running()
    jobs = InProcess.of(installation, lambda line: None)
    for job in due(use_case, jobs.materialized(use_case), as_of, wanted_days(use_case, as_of)):
        jobs.execute(use_case, job)


if __name__ == "__main__":
    run_by_dagster(sys.argv[1], date.fromisoformat(sys.argv[2]))
