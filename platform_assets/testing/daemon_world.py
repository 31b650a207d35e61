"""A tiny use case under Dagster's real daemon: its files come day by day, its clock is simulated, its accidents are planted.

Belongs here: the use case, its deliveries, its processes, and reading what there is at the end. Does not belong here: which accidents are
planted, or what must be true afterwards.

Visits to a clinic, each late or not, with a label that is known a day later; no service, so that a day costs what its runs cost.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np
import polars as pl

import platform_assets
from platform_assets.declaration import UseCase, load_use_case
from platform_assets.declaration.clock import SimulatedClock
from platform_assets.declaration.days import DayRange
from platform_assets.installation import Installation
from platform_assets.lake.layout import CLEAN, FEATURES
from platform_assets.orchestration.component import use_case_definitions
from platform_assets.orchestration.daemon import Child, daemon_running, end_runs, wait_until_quiet
from platform_assets.orchestration.in_process import InProcess, with_progress
from platform_assets.orchestration.measured_steps import measured_in_process_executor
from platform_assets.orchestration.resources.build import build_resources
from platform_assets.pipelines.due import due
from platform_assets.pipelines.jobs import DECIDE, JUDGE, LABELS, LOAD, PREDICT, TRAIN, WATCH
from platform_assets.settings import PREFIX
from platform_assets.testing.declare import declaration, window, write_declaration

ROOT = Path(platform_assets.__file__).resolve().parents[1]
NAME = "clinic"
FIRST_DAY, LAST_DAY = date(2024, 1, 1), date(2024, 3, 31)
HISTORY_DAYS = 14
VISITS_A_DAY = 120
MORNING = time(4, 0)

DEFINITIONS = '''"""The code location of the world in this folder."""

from pathlib import Path

import dagster as dg

from platform_assets.installation import Installation
from platform_assets.orchestration.assembly import definitions_of_folder


@dg.definitions
def defs() -> dg.Definitions:
    """The use case of this folder."""
    return definitions_of_folder(Installation.from_environment(), Path(__file__).parent / "use_case")
'''


def clinic() -> dict[str, Any]:
    """The declaration."""
    return declaration(
        name=NAME,
        table="visits",
        connector={"kind": "files", "format": "csv", "path": "data/visits"},
        label_source={"connector": {"kind": "files", "format": "csv", "path": "data/labels"}},
        events={
            "visit": {"type": "int64", "unique": True},
            "at": "datetime",
            "patient": "int64",
            "distance": "float64",
        },
        label="late",
        label_delay_days=1,
        history={"first_day": str(FIRST_DAY), "last_day": str(LAST_DAY)},
        features=[
            "distance",
            {
                "name": "habit",
                "entity": "patient",
                "windows": [
                    window("visits", "count", None, [3], delay_days=1),
                    window("late_before", "mean", "late", [3], delay_days=1, when_empty=0),
                ],
            },
        ],
        training={"splits": {"train_days": 4, "delay_days": 1, "test_days": 2, "folds": 1}, "every_days": 7},
        gates={
            "min_training_rows": 100,
            "min_positives": 10,
            "champion_tolerance": 0.5,
            "max_calibration_error": 0.5,
            "max_relative_calibration_error": 5,
        },
        monitoring={"window_days": 2, "min_rows": 100, "quality_metric": "auc_roc"},
        serving={"mode": "batch", "request": ["visit", "at", "patient", "distance"], "decision": {"threshold": 0.5}},
    )


def visits_of(day: date) -> pl.DataFrame:
    """A day's visits with their label: a pure function of the day."""
    rng = np.random.default_rng(day.toordinal())
    number = (day - FIRST_DAY).days * 1_000 + np.arange(VISITS_A_DAY)
    distance = rng.gamma(2.0, 5.0, VISITS_A_DAY).round(3)
    begin = datetime.combine(day, time(), tzinfo=UTC)
    at = [begin + timedelta(minutes=float(minute)) for minute in np.sort(rng.uniform(0, 1439, VISITS_A_DAY))]
    late = rng.random(VISITS_A_DAY) < 1 / (1 + np.exp((12 - distance) / 4))
    return pl.DataFrame(
        {
            "visit": number,
            "at": [moment.isoformat() for moment in at],
            "patient": rng.integers(0, 40, VISITS_A_DAY),
            "distance": distance,
            "late": late.astype(np.int8),
        }
    )


@dataclass
class DaemonWorld:
    """The world in a folder.

    Attributes:
        folder: everything lies below it.
    """

    folder: Path

    def __post_init__(self) -> None:
        place = self.folder / "use_case"
        write_declaration(place, clinic())
        for source in ("visits", "labels"):
            (place / "data" / source).mkdir(parents=True)
        (self.folder / "definitions.py").write_text(DEFINITIONS)
        (self.folder / "dagster").mkdir()
        text = (ROOT / "dagster.yaml").read_text().replace(f"env: {PREFIX}DAGSTER", "DAGSTER_FOLDER")
        text = text.replace("base_dir:\n      DAGSTER_FOLDER", f"base_dir: {self.folder / 'dagster'}")
        (self.folder / "dagster" / "dagster.yaml").write_text(text)

    @cached_property
    def use_case(self) -> UseCase:
        """The declaration."""
        return load_use_case(self.folder / "use_case")

    @property
    def clock(self) -> SimulatedClock:
        """Its clock."""
        return SimulatedClock(self.folder / "clock")

    @property
    def environment(self) -> dict[str, str]:
        """Its settings."""
        settings = {"HOME": str(self.folder / "home"), "AUTOMATION": "on", "SIMULATED_CLOCK": str(self.clock.path)}
        return {
            "DAGSTER_HOME": str(self.folder / "dagster"),
            **{PREFIX + name: value for name, value in settings.items()},
        }

    @cached_property
    def installation(self) -> Installation:
        """Its installation."""
        installation = Installation.from_environment(self.environment)
        installation.settings.prepare()
        return installation

    @cached_property
    def jobs(self) -> InProcess:
        """Its jobs in this process, on the instance that the daemon works on."""
        place, installation = self.folder / "use_case", self.installation
        shared = dg.Definitions(resources=build_resources(installation), executor=measured_in_process_executor)
        definitions = dg.Definitions.merge(use_case_definitions(self.use_case, place), shared)
        instance = dg.DagsterInstance.from_config(str(self.folder / "dagster"))
        return InProcess(with_progress(definitions, lambda line: None), instance)

    def deliver(self, day: date, *sources: str) -> None:
        """A day's files arrive: of both sources, or of those that are named."""
        frame = visits_of(day)
        columns = {"visits": ["visit", "at", "patient", "distance"], "labels": ["visit", "at", "late"]}
        for source in sources or ("visits", "labels"):
            frame.select(columns[source]).write_csv(self.folder / "use_case" / "data" / source / f"{day}.csv")

    def wake(self, day: date) -> None:
        """The clock goes on to the morning of a day."""
        self.clock.move(datetime.combine(day, MORNING, tzinfo=UTC))

    def begin(self) -> date:
        """Load the history and train a model in this process, as `platform-assets run` does; the day that it is as of."""
        as_of = FIRST_DAY + timedelta(days=HISTORY_DAYS)
        for offset in range(HISTORY_DAYS):
            self.deliver(FIRST_DAY + timedelta(days=offset))
        self.wake(as_of)
        newest = as_of - timedelta(days=1)
        everything = DayRange(FIRST_DAY, newest)
        self.do(as_of, {LABELS: DayRange(FIRST_DAY, newest), LOAD: everything, TRAIN: DayRange(as_of, as_of)})
        return as_of

    def do(self, day: date, wanted: Mapping[str, DayRange]) -> None:
        """Run what is due as of a day in this process.

        Raises:
            RunFailed: a job did not succeed.
        """
        for due_job in due(self.use_case, self.jobs.materialized(self.use_case), day, wanted):
            self.jobs.execute(self.use_case, due_job)

    def live_a_day_undisturbed(self, day: date) -> None:
        """What the morning of a day brings, in this process and in order."""
        self.wake(day)
        newest = DayRange(day - timedelta(days=1), day - timedelta(days=1))
        wanted = dict.fromkeys((LABELS, LOAD, PREDICT, WATCH, JUDGE), newest)
        self.do(day, {**wanted, DECIDE: DayRange(day, day)})

    @contextmanager
    def daemon(self) -> Iterator[list[Child]]:
        """Dagster's daemon and code server while the block lasts, with nothing of this process's own settings; the daemon is the last."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
        environment = {**kept, **self.environment, "PYTHONPATH": str(ROOT)}
        code = ["-f", str(self.folder / "definitions.py"), "-d", str(self.folder)]
        try:
            with daemon_running(code, NAME, environment, self.folder, self.folder / "logs") as (children, _):
                yield children
        finally:
            end_runs(self.jobs, self.use_case)

    def settle(self, daemon: list[Child], at_most_seconds: float = 240.0) -> None:
        """Wait until nothing is left to do.

        Raises:
            AssertionError: it takes longer.
        """
        assert wait_until_quiet(self.jobs, self.use_case, daemon, at_most_seconds), self.tail()

    def tail(self) -> str:
        """The end of what the daemon said."""
        return "\n".join((self.folder / "logs" / "dagster-daemon.log").read_text(errors="replace").splitlines()[-30:])

    def contents(self) -> dict[str, pl.DataFrame]:
        """Rows of every table that days are made of, in order."""
        catalog, case = self.installation.catalog(self.use_case), self.use_case
        tables = {f"{CLEAN}/{source.name}": catalog.clean(source.name).stored for source in case.sources}
        tables |= {f"{FEATURES}/{view.name}": catalog.features(view) for view in case.features}
        tables["predictions"] = catalog.predictions
        return {name: _in_order(table.read()) for name, table in tables.items()}

    def close(self) -> None:
        """Remove everything."""
        self.jobs.instance.dispose()
        shutil.rmtree(self.folder)


def _in_order(frame: pl.DataFrame) -> pl.DataFrame:
    """Rows by their key, without what differs between two worlds with the same rows: when, how fast and by which run they were written."""
    varying = {"computed_at", "scored_at", "latency_ms", "run_id", "model_version", "data_version"}
    kept = [name for name in frame.columns if name not in varying]
    return frame.select(kept).sort(["visit"])
