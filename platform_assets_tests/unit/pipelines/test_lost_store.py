"""An online store that lost its data is filled again by what `platform-assets run` asks for, and is right afterwards."""

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from platform_assets.cli.run.steps import _fill_lost_store
from platform_assets.declaration.days import DayRange
from platform_assets.features.errors import StateError
from platform_assets.features.online import feast_objects
from platform_assets.features.online.feast_connection import FeastSettings
from platform_assets.features.online.request_features import OnlineFeatures
from platform_assets.lake.catalog import Catalog
from platform_assets.lake.lake import Lake
from platform_assets.pipelines.due import DueJob
from platform_assets.pipelines.jobs import ONLINE
from platform_assets.pipelines.refresh_online_store import refresh_online_store, why_to_fill
from platform_assets_tests.unit.features.histories import EVENT_SCHEMA, FIRST_DAY, LABEL_SCHEMA, use_case

CASE = use_case()
DAYS = [FIRST_DAY + timedelta(days=n) for n in range(7)]
NEWEST = DAYS[-1]


@pytest.fixture
def world(tmp_path: Path) -> tuple[Catalog, FeastSettings]:
    """A week of payments, and the online store as of the end of each of the last two days."""
    catalog = Catalog(CASE, Lake(str(tmp_path / "lake")))
    noon = [datetime(day.year, day.month, day.day, 12, tzinfo=UTC) for day in DAYS]
    events = [(n, at, n % 2, n % 2, 10.0 + n, at.date()) for n, at in enumerate(noon)]
    labels = [(n, at, 0, at.date()) for n, at in enumerate(noon)]
    catalog.events.stored.write_partitions(pl.DataFrame(events, schema=EVENT_SCHEMA, orient="row"), DAYS[0], NEWEST)
    rows = pl.DataFrame(labels, schema=LABEL_SCHEMA, orient="row")
    catalog.clean("labels").stored.write_partitions(rows, DAYS[0], NEWEST)
    store = {"type": "sqlite", "path": str(tmp_path / "online.db")}
    home = str(tmp_path)
    settings = FeastSettings(
        project="payments", registry=f"sqlite:///{home}/registry.db", online_store=store, home=home
    )
    for day in DAYS[-2:]:
        assert refresh_online_store(catalog, settings, day, print).filled_because is None
    return catalog, settings


def request() -> dict[str, Any]:
    at = datetime(NEWEST.year, NEWEST.month, NEWEST.day, 9, tzinfo=UTC) + timedelta(days=1)
    return {"payment_id": 99, "paid_at": at, "card_id": 0, "shop_id": 0, "amount": 1.0}


@dataclass
class Journey:
    """What the step asks of a journey, and what it executed."""

    catalog: Catalog
    settings: FeastSettings
    executed: list[DueJob] = field(default_factory=list)

    @property
    def use_case(self) -> Any:
        return self.catalog.use_case

    @property
    def installation(self) -> Any:
        return self

    @property
    def feature_store(self) -> Any:
        outer = self

        class Store:
            def settings(self, _: Any) -> FeastSettings:
                return outer.settings

        return Store()

    def done(self, layer: str, table: str) -> set[date]:
        return set(DAYS[-2:])

    def execute(self, due_job: DueJob) -> None:
        self.executed.append(due_job)
        assert due_job.days is not None
        refresh_online_store(self.catalog, self.settings, due_job.days.last, print)


def remove(settings: FeastSettings, pattern: str) -> None:
    for file in Path(settings.home).glob(pattern):
        file.unlink()


@pytest.mark.parametrize("lost", ["online.db*", "registry.db", "*.db*"])
def test_run_fills_a_lost_store_once(world: tuple[Catalog, FeastSettings], lost: str) -> None:
    catalog, settings = world
    expected = OnlineFeatures(CASE, settings).vector(request()).values
    journey: Any = Journey(catalog, settings)
    _fill_lost_store(journey)
    assert journey.executed == [], "nothing is lost"
    remove(settings, lost)
    assert why_to_fill(CASE, settings) is not None
    _fill_lost_store(journey)
    _fill_lost_store(journey)
    assert journey.executed == [DueJob(ONLINE, DayRange(NEWEST, NEWEST))]
    assert OnlineFeatures(CASE, settings).vector(request()).values.tobytes() == expected.tobytes()


def test_an_earlier_day_fills_a_lost_store_too_and_the_later_one_follows(world: tuple[Catalog, FeastSettings]) -> None:
    catalog, settings = world
    expected = OnlineFeatures(CASE, settings).vector(request()).values
    remove(settings, "online.db*")
    told: list[str] = []
    earlier = refresh_online_store(catalog, settings, DAYS[-2], told.append)
    assert earlier.newer_state_kept == ()
    assert earlier.entities_written["card_activity"] == 2
    assert "lost its data" in str(earlier.filled_because)
    assert told == [earlier.filled_because]
    assert refresh_online_store(catalog, settings, NEWEST, told.append).filled_because is None
    assert OnlineFeatures(CASE, settings).vector(request()).values.tobytes() == expected.tobytes()


def test_a_store_in_another_format_is_filled_again_and_whoever_knows_that_format_goes_on_reading_it(
    world: tuple[Catalog, FeastSettings], monkeypatch: pytest.MonkeyPatch
) -> None:
    catalog, settings = world
    before = OnlineFeatures(CASE, settings)
    expected = before.vector(request()).values
    monkeypatch.setattr(feast_objects, "FORMAT_VERSION", feast_objects.FORMAT_VERSION + 1)
    with pytest.raises(StateError, match=r"another format of states.*fill it again with `platform-assets run`"):
        OnlineFeatures(CASE, settings)
    journey: Any = Journey(catalog, settings)
    _fill_lost_store(journey)
    assert journey.executed == [DueJob(ONLINE, DayRange(NEWEST, NEWEST))]
    assert OnlineFeatures(CASE, settings).vector(request()).values.tobytes() == expected.tobytes()
    assert before.vector(request()).values.tobytes() == expected.tobytes()
