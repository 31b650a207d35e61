"""One use case on its way from its sources to a watched service.

Belongs here: its declaration and the parts that its steps use. Does not belong here: the steps (`steps.py`), or what is printed at the end
(`summary.py`).
"""

from dataclasses import dataclass
from datetime import date

from platform_assets.cli.console import step
from platform_assets.cli.run.progress import RunProgress
from platform_assets.declaration import UseCase
from platform_assets.declaration.days import DayRange
from platform_assets.declaration.loader import DeclaredUseCase
from platform_assets.installation import Installation
from platform_assets.lake.catalog import Catalog
from platform_assets.orchestration.in_process import InProcess
from platform_assets.pipelines.due import DueJob, due
from platform_assets.pipelines.jobs import (
    DECIDE,
    FEED,
    JUDGE,
    LABELS,
    LOAD,
    LOG,
    ONLINE,
    PREDICT,
    REFERENCE,
    TRAIN,
    WATCH,
)
from platform_assets.pipelines.run_visits import Visit, jobs_ahead
from platform_assets.pipelines.timeline import Timeline, plan

TITLES = {
    FEED: "take in what is new in incremental sources",
    REFERENCE: "load reference tables",
    LABELS: "load labels {days}",
    LOAD: "load events and compute features {days}",
    ONLINE: "online store as of the end of {days}",
    TRAIN: "train, evaluate, promote{deploy} as of {days}",
    LOG: "prediction log",
    PREDICT: "predict {days}",
    WATCH: "drift of the window that ends {days}",
    JUDGE: "quality in production of the window that ends {days}, whose labels have arrived",
    DECIDE: "retrain decision as of {days}",
}


@dataclass(frozen=True)
class Journey:
    """A use case, the installation it runs on, and its jobs.

    Attributes:
        declared: the use case and its folder.
        installation: where its state lives.
        jobs: run its jobs and remember what was made.
        timeline: the days that it goes through, where they are others than those of `platform-assets run`.
        progress: counts its steps, where it is known how many there are.
    """

    declared: DeclaredUseCase
    installation: Installation
    jobs: InProcess
    timeline: Timeline | None = None
    progress: RunProgress | None = None

    @property
    def use_case(self) -> UseCase:
        """The declaration."""
        return self.declared.use_case

    @property
    def catalog(self) -> Catalog:
        """Its tables."""
        return self.installation.catalog(self.use_case)

    @property
    def days(self) -> Timeline:
        """The days it goes through."""
        return self.timeline or plan(self.use_case)

    def done(self, layer: str, table: str) -> set[date]:
        """Days of a table that were materialized."""
        return self.jobs.done(self.use_case, layer, table)

    def execute(self, due_job: DueJob) -> None:
        """Run a job in this process.

        Raises:
            RunFailed: when it does not succeed.
        """
        deploy = " and deploy" if self.use_case.is_realtime else ""
        title = TITLES[due_job.job].format(days=due_job.days, deploy=deploy)
        with step(title) if self.progress is None else self.progress.step(title, due_job):
            self.jobs.execute(self.use_case, due_job)

    def foreseen(self) -> RunProgress:
        """The progress of all that a run of the whole timeline has before it."""
        return RunProgress.of(self.ahead(), self.installation.settings.own_home)

    def ahead(self) -> list[DueJob]:
        """The jobs that a run of the whole timeline has before it."""
        return jobs_ahead(self.use_case, self.days, self.jobs.materialized(self.use_case))

    def visit(self, visit: Visit) -> None:
        """Run what is due at a visit.

        Raises:
            RunFailed: when a job does not succeed.
        """
        self.catch_up(visit.as_of, dict(visit.wanted))

    def catch_up(self, day: date, wanted: dict[str, DayRange]) -> None:
        """Run what is due as of a day, of the days that are wanted.

        Raises:
            RunFailed: when a job does not succeed.
        """
        for due_job in due(self.use_case, self.jobs.materialized(self.use_case), day, wanted):
            self.execute(due_job)
