"""A live world: its home, its days, the drift that is planted in it, and the settings that its processes are started with.

Belongs here: these. Does not belong here: starting processes (`children.py`), or letting days go by (`driver.py`).
"""

from __future__ import annotations

import json
import shlex
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel

import platform_assets
from platform_assets.declaration import UseCase
from platform_assets.declaration.clock import SimulatedClock
from platform_assets.declaration.days import ONE_DAY, DayRange
from platform_assets.declaration.loader import DeclaredUseCase, load_use_case
from platform_assets.declaration.yaml_text import load_yaml
from platform_assets.pipelines.timeline import Timeline, plan_live
from platform_assets.settings import PREFIX, Settings
from platform_assets.simulation.generators import drifts_of, small_world_of

MARK = "live-world.json"
"""File by which a folder is known to hold a live world: only such a folder is removed."""
SETTINGS = "world.env"
"""File of a world's home with the settings of its processes, for a shell: whoever looks at it follows its clock and its address."""
PORT = 8730
HEALTHY_DAYS = 0
"""Live days before the drift begins: the first window, which is judged when the daemon takes over, is healthy."""
DIFFERENT: Mapping[str, Mapping[str, Any]] = {
    "training": {"every_days": 98},
    "monitoring": {"retrain": {"labelled_days": 0}, "max_label_rate_ratio": 1.5},
}
"""What a live world declares otherwise: 14 weeks after the first model no other is due by the calendar, which would answer the drift before
monitoring asks for one, nobody waits two weeks for labels, and fraud that rises is told before it has risen."""
DEFINITIONS = '''"""The code location of this live world."""

from pathlib import Path

import dagster as dg

from platform_assets.installation import Installation
from platform_assets.orchestration.assembly import definitions_of_folder


@dg.definitions
def defs() -> dg.Definitions:
    """Its use case."""
    return definitions_of_folder(Installation.from_environment(), Path(__file__).parent / "declared")
'''
DAYS = {None: 4, "covariate": 8, "upstream": 6, "label": 18, "concept": 18}
"""How many days go by where nobody says so: labels come a week late, and quality is judged over a week."""
MOST_DAYS = max(DAYS.values())
QUEUE = """
# Days last seconds here: what is queued starts at once.
run_coordinator:
  module: dagster.core.run_coordinator
  class: QueuedRunCoordinator
  config: {dequeue_interval_seconds: 1}
"""
AFTER_MIDNIGHT = time(4, 0)
"""By then everything that is due on a day has become due."""


class LiveWorldError(RuntimeError):
    """A live world cannot begin; the message says why."""


@dataclass(frozen=True)
class LiveWorld:
    """What one live world is made of.

    Attributes:
        use_case: that lives in it.
        home: its folder, below which everything is written.
        timeline: its days.
        small_world: settings of the simulator.
        drift: what is planted; None for a quiet world.
        drift_day: from which day on.
        requests_a_day: about how many requests are sent on each day.
        seconds_per_day: a day lasts at least so long.
        port: of its address.
    """

    use_case: UseCase
    home: Path
    timeline: Timeline
    small_world: Mapping[str, Any]
    drift: str | None
    drift_day: date
    requests_a_day: int
    seconds_per_day: float
    port: int

    @property
    def days(self) -> DayRange:
        """The days that go by."""
        return self.timeline.live

    @property
    def first_window(self) -> DayRange:
        """The days that the first model answers before the live ones begin: as many as monitoring judges at once."""
        return DayRange(self.timeline.as_of, self.days.first - ONE_DAY)

    @property
    def clock(self) -> SimulatedClock:
        """Its clock."""
        return SimulatedClock(self.home / "clock")

    @property
    def project(self) -> Path:
        """The folder with `dagster.yaml` and `workspace.yaml`."""
        return Path(platform_assets.__file__).resolve().parents[1]

    @property
    def is_there(self) -> bool:
        """Whether its folder holds a live world already."""
        return (self.home / MARK).is_file()

    def morning_of(self, day: date) -> datetime:
        """The moment at which all that a day brings is due."""
        return datetime.combine(day, AFTER_MIDNIGHT, tzinfo=UTC)

    def environment(self, simulation: Mapping[str, Any]) -> dict[str, str]:
        """The settings of its processes, which are all that they are told.

        Args:
            simulation: overrides of the simulator that the caller's own settings hold.
        """
        world = {**self.small_world, **simulation}
        if self.drift is not None:
            world["drift"] = {"kind": self.drift, "day": self.drift_day.isoformat()}
        settings = {
            "home": str(self.home),
            "dagster": str(self.home / "dagster"),
            "port": str(self.port),
            "automation": "on",
            "simulated_clock": str(self.clock.path),
            "simulation": json.dumps(world),
            "replayed_requests": str(self.requests_a_day * len(self.days.days)),
        }
        return {
            "DAGSTER_HOME": str(self.home / "dagster"),  # not the home: Dagster empties the folder `logs` of its own
            "DAGSTER_EVENT_BATCH_SIZE": "500",
            **{PREFIX + name.upper(): value for name, value in settings.items()},
        }

    def declare(self, folder: Path) -> DeclaredUseCase:
        """Write the use case's folder anew into the home, with what is different here, and the code location that loads it.

        Args:
            folder: that it is declared in.
        """
        copy = self.home / "declared"
        shutil.copytree(folder, copy)
        (copy / "defs.yaml").write_text(different(copy / "defs.yaml"), encoding="utf-8")
        (self.home / "definitions.py").write_text(DEFINITIONS, encoding="utf-8")
        return DeclaredUseCase(load_use_case(copy), copy)

    def prepare(self) -> None:
        """Begin anew: remove what an earlier live world left, and put the clock to the morning of the first day.

        Raises:
            LiveWorldError: the folder holds something else, or the project's `dagster.yaml` is missing.
        """
        if not (self.project / "dagster.yaml").is_file():
            raise LiveWorldError(f"{self.project} has no dagster.yaml: a live world needs the project's own checkout")
        if self.home.exists() and any(self.home.iterdir()):
            if not self.is_there:
                raise LiveWorldError(f"{self.home} is no live world and is left alone; name another folder with --home")
            shutil.rmtree(self.home)
        (self.home / "dagster").mkdir(parents=True)
        settings = (self.project / "dagster.yaml").read_text(encoding="utf-8")
        (self.home / "dagster" / "dagster.yaml").write_text(settings + QUEUE, encoding="utf-8")
        mark = {"use_case": self.use_case.name, "drift": self.drift, "drift_day": self.drift_day.isoformat()}
        (self.home / MARK).write_text(json.dumps(mark) + "\n")
        self.clock.move(self.morning_of(self.timeline.as_of))

    def write_settings(self, environment: Mapping[str, str]) -> None:
        """Write the settings of its processes for a shell, which reads them with `set -a; . world.env`."""
        lines = [f"{name}={shlex.quote(value)}\n" for name, value in environment.items()]
        (self.home / SETTINGS).write_text("".join(lines), encoding="utf-8")


def different(path: Path) -> str:
    """A declaration's text with what is different in a live world."""
    document, _ = load_yaml(path.read_text(encoding="utf-8"))
    for section, fields in DIFFERENT.items():
        declared = document["attributes"].setdefault(section, {})
        for name, value in fields.items():
            declared[name] = {**declared.get(name, {}), **value} if isinstance(value, Mapping) else value
    return yaml.safe_dump(document, sort_keys=False, allow_unicode=True)


def as_in_a_live_world(use_case: UseCase) -> UseCase:
    """A use case with what is different there."""
    return use_case.model_copy(update=_with(use_case, DIFFERENT))


def _with(model: BaseModel, fields: Mapping[str, Any]) -> dict[str, Any]:
    """Fields to copy a model with, sections within sections among them."""
    update: dict[str, Any] = {}
    for name, value in fields.items():
        section = getattr(model, name)
        update[name] = section.model_copy(update=_with(section, value)) if isinstance(value, Mapping) else value
    return update


@dataclass(frozen=True)
class Wish:
    """What somebody asks for.

    Attributes:
        drift: what is planted, after a healthy day; None for a quiet world.
        days: how many days go by at most; when None as many as the drift needs to be noticed and answered.
        seconds_per_day: a day lasts at least so long.
        requests_a_day: about how many requests are sent on each day.
        home: its folder; `live` beside the caller's home when None.
        port: of its address.
    """

    drift: str | None = None
    days: int | None = None
    seconds_per_day: float = 5.0
    requests_a_day: int = 700
    home: Path | None = None
    port: int | None = None


def make_world(use_case: UseCase, settings: Settings, wish: Wish) -> LiveWorld:
    """The live world that somebody asks for.

    Args:
        use_case: that lives in it.
        settings: of the caller, beside whose home it stands.
        wish: what is asked for.

    Raises:
        LiveWorldError: the use case answers no requests, its events are not simulated, or there is no such drift.
        ValueError: so many days do not fit into the declared history.
    """
    if not (use_case.is_realtime and use_case.answers_requests):
        raise LiveWorldError(f"{use_case.name} answers no requests: nobody could send any in a live world")
    connector = use_case.event_source.connector
    if not connector.is_simulated:
        raise LiveWorldError(
            f"the events of {use_case.name} come from {connector.kind}, not from a simulator: nobody knows its days before they come. "
            "`make dev` lets the real ones be loaded as they come"
        )
    generator = str(connector.model_dump()["generator"])
    kinds = drifts_of(generator)
    if wish.drift is not None and wish.drift not in kinds:
        known = f"there are {', '.join(kinds)}" if kinds else "its simulator plants none"
        raise LiveWorldError(f"there is no drift {wish.drift!r}; {known}")
    timeline = plan_live(as_in_a_live_world(use_case), wish.days or DAYS.get(wish.drift, MOST_DAYS))
    return LiveWorld(
        use_case=use_case,
        home=(wish.home or settings.home.parent / "live").absolute(),
        timeline=timeline,
        small_world=small_world_of(generator),
        drift=wish.drift,
        drift_day=timeline.live.first + timedelta(days=HEALTHY_DAYS),
        requests_a_day=wish.requests_a_day,
        seconds_per_day=wish.seconds_per_day,
        port=wish.port or PORT,
    )
