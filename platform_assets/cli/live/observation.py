"""What a live world shows at a moment: runs that ended, what moved, what was asked for, and which model answers.

Belongs here: reading it from Dagster, the lake, the registry and the target. Does not belong here: judging whether the world ends
(`driver.py`), or printing (`screen.py`).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from time import monotonic, sleep, time

from platform_assets.cli.live.children import Child
from platform_assets.cli.run.journey import Journey
from platform_assets.declaration.names import DRIFT, QUALITY
from platform_assets.orchestration.run_facts import RunFacts, last_looks, runs_in_flight, runs_of
from platform_assets.pipelines.due import newest_day
from platform_assets.pipelines.jobs import JUDGE, TRAIN
from platform_assets.registry.base import CHAMPION

LOOK_SECONDS = 1.0
MOST_SECONDS = 240.0


@dataclass(frozen=True)
class Verdict:
    """A window's verdict.

    Attributes:
        status: its word.
        causes: what a new model could help against.
    """

    status: str
    causes: tuple[str, ...]


@dataclass(frozen=True)
class Serving:
    """Which model answers.

    Attributes:
        version: of the model that is champion.
        as_of: the day it was trained as of.
        weights: share of the requests by version, in percent.
        is_rolled_out: whether a newer version is on its way.
    """

    version: str
    as_of: date
    weights: dict[str, int]
    is_rolled_out: bool

    @property
    def answers_alone(self) -> bool:
        """Whether the champion answers all requests."""
        return not self.is_rolled_out and {name for name, weight in self.weights.items() if weight} == {self.version}


def verdict_of(journey: Journey, monitor: str, day: date) -> Verdict | None:
    """The verdict of the window that ends on a day; None while there is none."""
    table = journey.catalog.verdicts(monitor)
    if not table.exists():
        return None
    rows = table.read(day, day, columns=["status", "causes"])
    return None if rows.is_empty() else Verdict(rows["status"][0], tuple(rows["causes"][0]))


def drift_on(journey: Journey, clock_day: date) -> Verdict | None:
    """Drift of the window that ended the day before."""
    return verdict_of(journey, DRIFT, newest_day(journey.use_case, "watch", clock_day))


def quality_on(journey: Journey, clock_day: date) -> Verdict | None:
    """Quality of the newest window whose labels have arrived."""
    return verdict_of(journey, QUALITY, newest_day(journey.use_case, JUDGE, clock_day))


def serving_now(journey: Journey) -> Serving | None:
    """Which model answers now; None before the first."""
    use_case = journey.use_case
    champion = journey.installation.models.registry().by_alias(use_case.name, CHAMPION)
    if champion is None:
        return None
    target = journey.installation.serving.target()
    deployed = target.status().use_cases.get(use_case.name)
    weights = {} if deployed is None else dict(deployed.weights)
    as_of = date.fromisoformat(champion.tags["as_of"])
    return Serving(champion.version, as_of, weights, target.rollout(use_case.name) is not None)


def asked_for_by_monitoring(journey: Journey) -> list[RunFacts]:
    """Trainings that monitoring asked for, the oldest first."""
    runs = runs_of(journey.jobs.instance, journey.use_case)
    return [run for run in reversed(runs) if run.job == TRAIN and run.cause]


def wait_until_quiet(journey: Journey, children: list[Child], at_most_seconds: float = MOST_SECONDS) -> bool:
    """Wait until nothing is left to do: no run is in flight, and since then every sensor has looked and asked for nothing.

    Returns:
        Whether it became quiet in time.

    Raises:
        LiveWorldError: one of the processes ended.
    """
    instance, use_case = journey.jobs.instance, journey.use_case
    deadline, quiet_since = monotonic() + at_most_seconds, time()
    while monotonic() < deadline:
        for child in children:
            child.require_alive()
        if runs_in_flight(instance):
            quiet_since = time()
        else:
            looks = last_looks(instance, use_case)
            if looks and min(looks.values()) > quiet_since and not runs_in_flight(instance):
                return True
        sleep(LOOK_SECONDS)
    return False
