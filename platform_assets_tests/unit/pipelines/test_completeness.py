"""A stored table is whole, or its check is red: planted rows that lack, repeat a key, have none, or nobody asked for."""

from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path

import dagster as dg
import polars as pl
import pytest

from platform_assets.declaration.days import DayRange
from platform_assets.features.offline.feature_table import join_labels
from platform_assets.features.offline.sharding.plan import NO_BOUND
from platform_assets.lake.catalog import Catalog
from platform_assets.lake.lake import Lake
from platform_assets.orchestration.assets.features import feature_table_asset
from platform_assets.orchestration.assets.training import training_set_asset
from platform_assets.pipelines import build_training_set as building
from platform_assets.pipelines.completeness import Completeness, by_day
from platform_assets.pipelines.compute_features import FeatureDays, compute_features
from platform_assets.testing.payments import FIRST_DAY, LAST_DAY, use_case, view_of
from platform_assets_tests.unit.pipelines.test_training_set_as_known import AS_OF, EVENTS, LABELS

CASE = use_case()
KEY = "payment_id"


def lost(rows: pl.DataFrame) -> pl.DataFrame:
    return rows[1:]


def doubled(rows: pl.DataFrame) -> pl.DataFrame:
    return pl.concat([rows, rows[:1]]).sort("event_day", maintain_order=True)


def foreign(rows: pl.DataFrame) -> pl.DataFrame:
    return pl.concat([rows, rows[:1].with_columns(pl.lit(77_777, pl.Int64).alias(KEY))]).sort(
        "event_day", maintain_order=True
    )


def keyless(rows: pl.DataFrame) -> pl.DataFrame:
    first = pl.int_range(pl.len()) == 0
    return rows.with_columns(pl.when(first).then(None).otherwise(KEY).alias(KEY))


def exchanged(rows: pl.DataFrame) -> pl.DataFrame:
    """As many rows as before, of which one is not asked for."""
    return foreign(lost(rows))


FAULTS = [lost, doubled, foreign, keyless, exchanged]
Fault = Callable[[pl.DataFrame], pl.DataFrame]


@pytest.fixture
def catalog(tmp_path: Path) -> Catalog:
    catalog = Catalog(CASE, Lake(str(tmp_path)))
    catalog.events.stored.write_partitions(EVENTS, FIRST_DAY, LAST_DAY)
    catalog.labels.stored.write_partitions(LABELS, FIRST_DAY, LAST_DAY)
    return catalog


def evaluations(result: dg.ExecuteInProcessResult) -> list[dg.AssetCheckEvaluation]:
    return [one for one in result.get_asset_check_evaluations() if one.check_name == "complete"]


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("view", [view.name for view in CASE.features])
def test_a_feature_table_that_is_not_whole_is_red(
    catalog: Catalog, monkeypatch: pytest.MonkeyPatch, view: str, fault: Fault
) -> None:
    frames = FeatureDays.frames

    def spoilt(self: FeatureDays, first: date, last: date) -> Iterator[tuple[date, date, pl.DataFrame]]:
        for begin, end, rows in frames(self, first, last):
            yield begin, end, fault(rows)

    monkeypatch.setattr(FeatureDays, "frames", spoilt)
    asset = feature_table_asset(use_case=CASE, view=view_of(CASE, view))
    day = str(date(2024, 3, 1))
    with dg.DagsterInstance.ephemeral() as instance:
        result = dg.materialize(
            [asset],
            resources={"lake": catalog.lake, "capacity": NO_BOUND},
            partition_key=day,
            instance=instance,
            raise_on_error=False,
        )
    [check] = evaluations(result)
    assert not result.success
    assert check.blocking
    assert not check.passed
    assert check.partition == day
    assert check.metadata["expected"].value == EVENTS.filter(pl.col("event_day") == date(2024, 3, 1)).height


def test_in_a_range_the_days_that_are_whole_stay_green(catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    view, bad, frames = view_of(CASE, "card_activity"), date(2024, 3, 1), FeatureDays.frames

    def spoilt(self: FeatureDays, first: date, last: date) -> Iterator[tuple[date, date, pl.DataFrame]]:
        for begin, end, rows in frames(self, first, last):
            yield begin, end, rows.filter((pl.col("event_day") != bad) | (pl.col(KEY) % 2 == 0))

    monkeypatch.setattr(FeatureDays, "frames", spoilt)
    computed = compute_features(catalog, view, DayRange(date(2024, 2, 28), date(2024, 3, 3)))
    assert {day: one.passed for day, one in computed.completeness.items()} == {
        date(2024, 2, 28): True,
        date(2024, 2, 29): True,
        bad: False,
        date(2024, 3, 2): True,
        date(2024, 3, 3): True,
    }
    assert "4 lacking" in computed.completeness[bad].explanation


@pytest.mark.parametrize("fault", [None, *FAULTS])
def test_a_training_set_that_is_not_whole_is_red(
    catalog: Catalog, monkeypatch: pytest.MonkeyPatch, fault: Fault | None
) -> None:
    labelled = join_labels(EVENTS, LABELS, CASE)
    assert labelled.height == EVENTS.height
    for view in CASE.features:
        compute_features(catalog, view, DayRange(FIRST_DAY, LAST_DAY))
    if fault is not None:
        original = building.training_set
        monkeypatch.setattr(building, "training_set", lambda *given: fault(original(*given)))
    with dg.DagsterInstance.ephemeral() as instance:
        result = dg.materialize(
            [training_set_asset(use_case=CASE)],
            resources={"lake": catalog.lake},
            partition_key=AS_OF.isoformat(),
            instance=instance,
            raise_on_error=False,
        )
    [check] = evaluations(result)
    assert (check.passed, result.success, check.partition) == (fault is None, fault is None, AS_OF.isoformat())


def test_a_day_that_lost_all_its_rows_is_named() -> None:
    keys = pl.DataFrame({KEY: [1, 2, 3], "event_day": [FIRST_DAY, FIRST_DAY, LAST_DAY]})
    verdicts = by_day(keys.filter(pl.col("event_day") == FIRST_DAY), keys, [KEY])
    assert verdicts[FIRST_DAY].passed
    assert not verdicts[LAST_DAY].passed
    assert verdicts[LAST_DAY].lacking == 1
    assert not Completeness(0, 0, absent_days=(LAST_DAY,)).passed, "a day that was never written is not an empty one"
    assert Completeness(0, 0).passed, "a day that was published without events is"
