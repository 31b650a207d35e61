"""What a live world shows at a moment: runs that ended, what moved, what was asked for, and which model answers.

Belongs here: reading it from Dagster, the lake, the registry and the target. Does not belong here: judging whether the world ends
(`driver.py`), or printing (`screen.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from platform_assets.cli.run.journey import Journey
from platform_assets.declaration.names import DRIFT, QUALITY
from platform_assets.monitoring.operations import RunFact
from platform_assets.orchestration.retrain_requests import CAUSE_TAG
from platform_assets.pipelines.due import newest_day
from platform_assets.pipelines.jobs import JUDGE, TRAIN, WATCH
from platform_assets.pipelines.retrain import newest_decision
from platform_assets.registry.base import CHAMPION


@dataclass(frozen=True)
class LiveVerdict:
    """A window's verdict.

    Attributes:
        status: its word.
        causes: what a new model could help against.
    """

    status: str
    causes: tuple[str, ...]


@dataclass(frozen=True)
class LiveModel:
    """Which model answers.

    Attributes:
        version: of the model that is champion.
        as_of: the day it was trained as of.
        weights: share of the requests by deployed version, such as `v3-0123456789ab`, in percent.
        is_rolled_out: whether a newer version is on its way.
    """

    version: str
    as_of: date
    weights: dict[str, int]
    is_rolled_out: bool

    @property
    def answers_alone(self) -> bool:
        """Whether the champion answers all requests."""
        answering = {name.partition("-")[0] for name, weight in self.weights.items() if weight}
        return not self.is_rolled_out and answering == {f"v{self.version}"}


def verdict_of(journey: Journey, monitor: str, day: date) -> LiveVerdict | None:
    """The verdict of the window that ends on a day; None while there is none."""
    table = journey.catalog.verdicts(monitor)
    if not table.exists():
        return None
    rows = table.read(day, day, columns=["status", "causes"])
    return None if rows.is_empty() else LiveVerdict(rows["status"][0], tuple(rows["causes"][0]))


def drift_on(journey: Journey, clock_day: date) -> LiveVerdict | None:
    """Drift of the window that ended the day before."""
    return verdict_of(journey, DRIFT, newest_day(journey.use_case, WATCH, clock_day))


def quality_on(journey: Journey, clock_day: date) -> LiveVerdict | None:
    """Quality of the newest window whose labels have arrived."""
    return verdict_of(journey, QUALITY, newest_day(journey.use_case, JUDGE, clock_day))


@dataclass(frozen=True)
class LiveDecision:
    """Whether a model is asked for as of a day.

    Attributes:
        verdict: its word: `train`, `mend`, `given_up`, `wait` or `nothing`.
        reason: one sentence.
    """

    verdict: str
    reason: str


def decided_on(journey: Journey, clock_day: date) -> LiveDecision | None:
    """What was decided as of a day; None where nothing was."""
    row = newest_decision(journey.catalog)
    return LiveDecision(row["verdict"], row["reason"]) if row is not None and row["as_of"] == clock_day else None


def serving_now(journey: Journey) -> LiveModel | None:
    """Which model answers now; None before the first."""
    use_case = journey.use_case
    champion = journey.installation.models.registry().by_alias(use_case.name, CHAMPION)
    if champion is None:
        return None
    target = journey.installation.serving.target()
    deployed = target.status().use_cases.get(use_case.name)
    weights = {} if deployed is None else dict(deployed.weights)
    as_of = date.fromisoformat(champion.tags["as_of"])
    return LiveModel(champion.version, as_of, weights, target.rollout(use_case.name) is not None)


def asked_for_by_monitoring(runs: Sequence[RunFact]) -> tuple[RunFact, ...]:
    """The trainings among runs that monitoring asked for."""
    return tuple(run for run in runs if run.job == TRAIN and CAUSE_TAG in dict(run.tags))


def last_day(run: RunFact) -> date | None:
    """The newest day that a run is about."""
    return None if run.days is None else date.fromisoformat(run.days.rpartition("/")[2])
