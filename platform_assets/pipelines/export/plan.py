"""What a project for another orchestrator says of a use case, and whether it still does.

Belongs here: the plan that every orchestrator's files are made from, and its digest. Does not belong here: any orchestrator's words.

What a step does is read from the declaration when it runs. A project is out of date only when the steps themselves, their order, their days
or their retries are others than when it was written.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from datetime import timedelta

from platform_assets.declaration import UseCase
from platform_assets.declaration.sections.compute import Compute
from platform_assets.pipelines.due_now.attempts import BACK_OFF
from platform_assets.pipelines.due_now.times import DUE_AT
from platform_assets.pipelines.jobs import TRAIN
from platform_assets.pipelines.steps.graph import Step, steps_of

PROJECT_FORMAT = 1
"""Of the written projects; a project of another one is out of date."""


class StaleExport(RuntimeError):
    """A project was exported from a declaration that has other steps now; the message says what to type."""


@dataclass(frozen=True)
class ExportPlan:
    """What a project says.

    Attributes:
        use_case: name of the use case.
        description: of the use case.
        time_zone: in which its days begin.
        after_midnight: how long after midnight a day's run starts, when its last job is due.
        first_day: first day of the history, YYYY-MM-DD.
        steps: in order.
        waits_seconds: before each further attempt of a step that failed.
        sizes: what each step needs of a machine, by its name.
    """

    use_case: str
    description: str
    time_zone: str
    after_midnight: timedelta
    first_day: str
    steps: tuple[Step, ...]
    waits_seconds: tuple[int, ...]
    sizes: dict[str, Compute]

    @property
    def cron(self) -> str:
        """When a day's run starts, for cron."""
        minutes = self.after_midnight // timedelta(minutes=1)
        return f"{minutes % 60} {minutes // 60} * * *"

    @property
    def digest(self) -> str:
        """What changes when the project has to be written again."""
        sizes = {name: [one.cpus, one.memory_gigabytes, one.gpus] for name, one in self.sizes.items()}
        words = [
            PROJECT_FORMAT,
            self.use_case,
            self.time_zone,
            self.cron,
            self.first_day,
            [asdict(step) for step in self.steps],
            self.waits_seconds,
            sizes,
        ]
        return hashlib.sha256(json.dumps(words).encode()).hexdigest()[:16]


def plan_export(use_case: UseCase) -> ExportPlan:
    """The plan of a use case.

    Raises:
        StepsUnsupported: it needs what only Dagster's memory gives.
    """
    steps = tuple(steps_of(use_case))
    return ExportPlan(
        use_case.name,
        use_case.description,
        use_case.time_zone,
        DUE_AT[TRAIN],
        use_case.history.first_day.isoformat(),
        steps,
        tuple(int(wait.total_seconds()) for wait in BACK_OFF),
        {step.name: use_case.compute_of(step.layer, step.table) for step in steps},
    )


def refuse_stale(use_case: UseCase, digest: str) -> None:
    """Refuse a step that a project asks for which is out of date.

    Raises:
        StaleExport: it is.
        StepsUnsupported: the use case needs what only Dagster's memory gives by now.
    """
    now = plan_export(use_case).digest
    if digest != now:
        raise StaleExport(
            f"the exported project of {use_case.name} is out of date (its plan is {digest}, the declaration's is {now}): its steps, their "
            f"order, days, sizes or retries changed. Write it again: `platform-assets export ORCHESTRATOR {use_case.name} --into FOLDER`"
        )
