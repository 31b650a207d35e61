"""What the sensor asks for, really run: files come late, a day is refused and mended, and what was made without a day is made again."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from platform_assets.declaration import UseCase
from platform_assets.declaration.clock import SimulatedClock
from platform_assets.declaration.days import DayRange
from platform_assets.installation import Installation
from platform_assets.lake.catalog import Catalog
from platform_assets.orchestration.component import use_case_definitions
from platform_assets.orchestration.due_runs import run_request
from platform_assets.orchestration.due_sensor import due_sensor
from platform_assets.orchestration.jobs import build_jobs
from platform_assets.orchestration.left_out import LEFT_OUT
from platform_assets.orchestration.resources.build import build_resources
from platform_assets.orchestration.run_origin import execute_with_origin
from platform_assets.pipelines.due import DueJob
from platform_assets.pipelines.jobs import LABELS, LOAD
from platform_assets.testing.declare import declare, window

FIRST = date(2024, 1, 1)
START = FIRST + timedelta(days=6)
ROWS = 8


def use_case(late: dict[str, Any]) -> UseCase:
    """Payments in daily files, their labels a day later, and a window of three days."""
    document = declare(
        events={"payment": "int64", "at": "datetime", "card": "int64", "amount": "float64"},
        label="is_bad",
        connector={"kind": "files", "format": "csv", "path": "events/{event_day}.csv"},
        label_source={"connector": {"kind": "files", "format": "csv", "path": "labels/{event_day}.csv"}},
        features=[{"name": "activity", "entity": "card", "windows": [window("payments", "count", None, [3])]}],
        training={"splits": {"train_days": 7, "delay_days": 1, "test_days": 2, "folds": 1}},
    ).model_dump(mode="json")
    document["sources"][0]["late"] = late
    return UseCase.model_validate(document)


class World:
    """Files, an instance, and a clock; loads and labels are run, what else is asked for is not."""

    def __init__(self, root: Path, instance: dg.DagsterInstance, declared: UseCase) -> None:
        self.root, self.instance, self.use_case = root, instance, declared
        installation = Installation.from_environment({"PLATFORM_ASSETS_HOME": str(root / "home")})
        self.clock = SimulatedClock(root / "clock")
        resources = {**build_resources(installation), "clock": self.clock, "home": root}
        self.definitions = dg.Definitions.merge(
            use_case_definitions(declared, root), dg.Definitions(resources=resources, executor=dg.in_process_executor)
        )
        self.catalog = Catalog(declared, installation.lake)
        self.sensor = due_sensor(declared, build_jobs(declared))
        self.cursor: str | None = None
        self.runs: list[tuple[str, str, bool]] = []
        for day in DayRange(FIRST, START - timedelta(days=1)).days:
            self.deliver(day)
        for job, last in ((LABELS, START - timedelta(days=1)), (LOAD, START - timedelta(days=1))):
            assert self._execute(run_request(declared, DueJob(job, DayRange(FIRST, last))))
        self.runs.clear()

    def deliver(self, day: date, *, amount: str = "1.5") -> None:
        """The files of a day."""
        for name, columns in (("events", "payment,at,card,amount"), ("labels", "payment,at,is_bad")):
            path = self.root / name / f"{day}.csv"
            path.parent.mkdir(exist_ok=True)
            lines = [columns]
            for i in range(ROWS):
                key = f"{day.toordinal() * 100 + i},{day}T{8 + i:02d}:00:00Z"
                lines.append(f"{key},{i % 2},{amount}" if name == "events" else f"{key},{i % 2}")
            path.write_text("\n".join(lines) + "\n")

    def withhold(self, day: date) -> None:
        """The events of a day do not come."""
        (self.root / "events" / f"{day}.csv").unlink()

    def at_noon_of(self, day: date) -> None:
        """Let the sensor ask until nothing that is run here is asked for any more."""
        self.clock.move(datetime.combine(day, time(12), tzinfo=UTC))
        for _ in range(10):
            context = dg.build_sensor_context(
                instance=self.instance,
                cursor=self.cursor,
                definitions=self.definitions,
                resources={"clock": self.clock, "home": self.root},
            )
            with context:
                data = self.sensor.evaluate_tick(context)
            self.cursor = data.cursor
            asked = [one for one in data.run_requests or [] if one.job_name in ("small__load", "small__labels")]
            for request in asked:
                self._execute(request)
            if not asked:
                return
        raise AssertionError(f"it asks on and on: {self.runs}")

    def _execute(self, request: dg.RunRequest) -> bool:
        result = execute_with_origin(self.definitions, self.instance, str(request.job_name), request, {})
        tags = request.tags
        what = " ".join(filter(None, [tags["platform_assets/job"], tags.get("platform_assets/part")]))
        self.runs.append((what, tags["platform_assets/days"], result.success))
        return result.success

    def counts(self, day: date) -> list[int]:
        """The window of each payment of a day."""
        view = self.use_case.features[0]
        return sorted(self.catalog.features(view).read(day, day)[view.feature_names[0]].cast(int).to_list())


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


def later(days: int) -> date:
    return START + timedelta(days=days)


def test_a_late_file_is_gone_on_without_and_made_up_for(tmp_path: Path, instance: dg.DagsterInstance) -> None:
    world = World(tmp_path, instance, use_case({"wait_days": 1, "then": "go_on"}))
    for day in DayRange(START, later(3)).days:
        world.deliver(day)
    world.withhold(START)
    world.at_noon_of(later(1))
    assert world.runs == [("labels", str(START), True), ("load", str(START), False)]
    world.at_noon_of(later(2))
    assert ("load compute", str(later(1)), True) in world.runs or ("load", str(later(1)), True) in world.runs
    without = world.counts(later(1))
    [left_out] = {run.tags[LEFT_OUT] for run in instance.get_runs() if LEFT_OUT in run.tags}
    assert left_out == f'{{"events": ["{START}"]}}'
    observed = instance.fetch_observations(dg.AssetKey(["small", "clean", "events"]), limit=5).records
    assert {record.partition_key for record in observed} == {str(START)}
    made = instance.get_latest_materialization_event(dg.AssetKey(["small", "features", "activity"]))
    assert made is not None
    assert made.asset_materialization is not None
    assert made.asset_materialization.metadata["days_left_out"].value == {"events": [str(START)]}
    world.deliver(START)
    world.runs.clear()
    world.at_noon_of(later(3))
    assert [run for run in world.runs if not run[2]] == []
    assert ("load", str(START), True) in world.runs
    assert sum(world.counts(later(1))) > sum(without), "its window of three days reaches the day that came"
    assert set(world.catalog.events.stored.count_by_partition()) == set(DayRange(FIRST, later(2)).days)


def test_a_refused_day_is_mended_and_the_days_after_it_follow(tmp_path: Path, instance: dg.DagsterInstance) -> None:
    world = World(tmp_path, instance, use_case({"wait_days": 2, "then": "hold"}))
    for day in DayRange(START, later(2)).days:
        world.deliver(day)
    world.deliver(START, amount="much")
    world.at_noon_of(later(2))
    assert not [run for run in world.runs if run[0] == "load" and run[2]]
    failed = [run for run in world.runs if not run[2]]
    assert failed == [("load", f"{START}/{later(1)}", False)], "nothing is tried again before its time"
    world.deliver(START)
    world.runs.clear()
    world.at_noon_of(later(3))
    assert [run for run in world.runs if not run[2]] == []
    view = world.use_case.features[0]
    assert set(world.catalog.features(view).count_by_partition()) == set(DayRange(FIRST, later(2)).days)
