"""What was made from a day that is taken back: feature days are withdrawn, training sets named, and its return asks for them all."""

from datetime import date, timedelta
from pathlib import Path

import pytest

from platform_assets.declaration.days import DayRange
from platform_assets.lake.layout import CLEAN, FEATURES
from platform_assets.pipelines.build_training_set import build_training_set
from platform_assets.pipelines.compute_features import compute_features
from platform_assets.pipelines.due import due
from platform_assets.pipelines.jobs import LOAD
from platform_assets.pipelines.required_days import DaysMissing
from platform_assets.pipelines.withdraw_derived import withdraw_derived
from platform_assets.testing.declare import declare, window
from platform_assets_tests.unit.pipelines.file_days import CONNECTOR, MONDAY, FileDays

LAST = MONDAY + timedelta(days=9)
DAY = MONDAY + timedelta(days=4)
AS_OF = LAST + timedelta(days=1)


def after(days: int) -> date:
    return DAY + timedelta(days=days)


@pytest.fixture
def shop(tmp_path: Path) -> FileDays:
    """Ten days with a view of the row and one that counts two days back, and a training set."""
    case = declare(
        events={"sale": "int64", "at": "datetime", "items": "int32", "returned": [0, 1]},
        label="returned",
        connector=CONNECTOR,
        history={"first_day": MONDAY - timedelta(days=3), "last_day": LAST},
        features=["items", {"name": "shelf", "entity": "shelf", "windows": [window("sold", "count", None, [2])]}],
        entities=[{"name": "shelf", "description": "A shelf.", "key": "items"}],
    )
    shop = FileDays.of(tmp_path, case)
    shop.deliver(MONDAY - timedelta(days=3), [6] * 13)
    shop.load_and_publish(MONDAY - timedelta(days=3), LAST)
    for view in case.features:
        compute_features(shop.catalog, view, DayRange(MONDAY, LAST))
    build_training_set(shop.catalog, AS_OF)
    return shop


def test_feature_days_that_read_it_are_withdrawn_and_training_sets_named(shop: FileDays) -> None:
    plain, counted = shop.use_case.features
    made = withdraw_derived(shop.catalog, shop.source, DAY, "a test")
    assert [(one.table, list(one.days)) for one in made.features] == [
        (plain.table, [DAY]),
        (counted.table, [DAY, after(1), after(2)]),
    ]
    assert list(made.training_sets) == [AS_OF]
    assert after(3) in shop.catalog.features(counted).partitions()
    with pytest.raises(DaysMissing, match=f"{after(1)} .. {after(2)}"):
        build_training_set(shop.catalog, AS_OF)
    again = withdraw_derived(shop.catalog, shop.source, DAY, "a test")
    assert not again.features


def test_a_day_that_comes_back_asks_for_the_days_that_look_back_at_it(shop: FileDays) -> None:
    features = (FEATURES, shop.use_case.features[-1].table)
    days = DayRange(MONDAY - timedelta(days=3), LAST).days
    done = {(CLEAN, "events"): dict.fromkeys(days, 1), features: dict.fromkeys(days, 2)}
    assert not [job for job in due(shop.use_case, done, AS_OF) if job.job == LOAD]
    done[CLEAN, "events"] = {**done[CLEAN, "events"], DAY: 3}
    loads = [job for job in due(shop.use_case, done, AS_OF) if job.job == LOAD]
    assert {day for job in loads if job.days is not None for day in job.days.days} == {DAY, after(1), after(2)}
