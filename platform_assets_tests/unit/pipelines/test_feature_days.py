"""Days of a feature table from stored state: equal to the whole history, and never from a state that something changed behind."""

import random
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl
import pytest

from platform_assets.declaration import FeatureView, UseCase
from platform_assets.declaration.days import DayRange
from platform_assets.features.errors import FeatureError
from platform_assets.features.offline.feature_table import compute_view, join_labels
from platform_assets.features.offline.sharding.plan import NO_BOUND
from platform_assets.lake.catalog import Catalog
from platform_assets.lake.lake import Lake
from platform_assets.lake.layout import FEATURES
from platform_assets.orchestration.assets.features import feature_table_asset, lookup_deps, view_deps
from platform_assets.orchestration.partitions import event_days
from platform_assets.pipelines.compute_features import FeatureDays, commit_record, refuse_mixed_meanings
from platform_assets.testing.carried_days import days_touched
from platform_assets_tests.unit.features.histories import (
    EVENT_SCHEMA,
    FIRST_DAY,
    LABEL_DELAY_DAYS,
    LABEL_SCHEMA,
    LAST_DAY,
    rich_case,
    view_of,
)
from platform_assets_tests.unit.features.wide_case import HOLDER_DELAY_DAYS, HOLDER_MAX_AGE_DAYS, wide_case

CASE = rich_case()
VIEWS = ("card_rich", "shop_rich")
DAYS = [FIRST_DAY + timedelta(days=n) for n in range((LAST_DAY - FIRST_DAY).days + 1)]


class World:
    """A lake with the clean tables of a few days of payments."""

    def __init__(self, folder: Path, case: UseCase = CASE) -> None:
        self.lake, self.case, chance = Lake(root=str(folder)), case, random.Random(7)
        events, labels = [], []
        for key in range(240):
            moment = datetime(2024, 2, 26, tzinfo=UTC) + timedelta(minutes=30 * chance.randrange(12 * 48))
            card, shop = chance.randrange(4), chance.randrange(3)
            events.append(
                (key, moment, card, shop, chance.choice((None, 0.1, chance.uniform(-1e3, 1e3))), moment.date())
            )
            labels.append((key, moment, chance.randrange(2), moment.date()))
        self.events = pl.DataFrame(events, schema=EVENT_SCHEMA, orient="row").sort("paid_at", "payment_id")
        self.labels = pl.DataFrame(labels, schema=LABEL_SCHEMA, orient="row")

    def publish(self, day: date) -> None:
        """What is there on a day: its events, and the labels that have arrived."""
        self.write("payments", self.events, day)
        if day - timedelta(days=LABEL_DELAY_DAYS) >= FIRST_DAY:
            self.write("labels", self.labels, day - timedelta(days=LABEL_DELAY_DAYS))

    def write(self, source: str, rows: pl.DataFrame, day: date) -> None:
        table = Catalog(self.case, self.lake).clean(source).stored
        table.write_partitions(rows.filter(pl.col("event_day") == day), day, day, allow_empty=True)

    def compute(self, view: FeatureView, first: date, last: date, most_rows: int = 10**6) -> tuple[pl.DataFrame, str]:
        days = FeatureDays(Catalog(self.case, self.lake), view, most_rows)
        frames = [frame for _, _, frame in days.frames(first, last)]
        return pl.concat(frames), days.state_used

    def expected(self, view: FeatureView, first: date, last: date) -> pl.DataFrame:
        known = self.labels.filter(pl.col("event_day") <= last - timedelta(days=LABEL_DELAY_DAYS))
        return compute_view(view, self.case, join_labels(self.events, known, self.case), first, last)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


@pytest.mark.parametrize("name", VIEWS)
def test_day_after_day_goes_on_from_the_state_and_equals_the_history(world: World, name: str) -> None:
    view = view_of(CASE, name)
    used = []
    for day in DAYS:
        world.publish(day)
        found, why_not = world.compute(view, day, day)
        assert found.equals(world.expected(view, day, day))
        used.append(why_not)
    assert used == ["there is none", *[""] * (len(DAYS) - 1)]


@pytest.mark.parametrize("most_rows", [1, 50])
def test_a_history_in_chunks_equals_the_history_at_once(world: World, most_rows: int) -> None:
    for day in DAYS:
        world.publish(day)
    for name in VIEWS:
        view = view_of(CASE, name)
        found, _ = world.compute(view, DAYS[0], DAYS[-2], most_rows)
        assert found.equals(world.expected(view, DAYS[0], DAYS[-2]))
        assert world.compute(view, DAYS[-1], DAYS[-1])[1] == ""


def late_row(world: World) -> None:
    late = world.events.head(1).with_columns(
        payment_id=pl.lit(999, pl.Int64),
        paid_at=pl.lit(datetime(2024, 3, 5, 12, tzinfo=UTC)),
        event_day=pl.lit(DAYS[8]),
    )
    world.events = pl.concat([world.events, late.select(world.events.columns)]).sort("paid_at", "payment_id")
    world.write("payments", world.events, DAYS[8])


def deleted_day(world: World) -> None:
    world.events = world.events.filter(pl.col("event_day") != DAYS[8])
    world.write("payments", world.events, DAYS[8])


def corrected_label(world: World) -> None:
    corrected = pl.when(pl.col("event_day") == DAYS[7]).then(1 - pl.col("is_bad")).otherwise(pl.col("is_bad"))
    world.labels = world.labels.with_columns(is_bad=corrected.cast(pl.Int8))
    world.write("labels", world.labels, DAYS[7])


def damaged_file(world: World) -> None:
    for file in state_files(world):
        file.write_bytes(file.read_bytes()[:-40] + b"\0" * 40)


def altered_rows(world: World) -> None:
    for file in state_files(world):
        metadata = pl.read_parquet_metadata(file)
        rows = pl.read_parquet(file).with_columns(event_times=pl.col("event_times") + 1)
        rows.write_parquet(file, metadata={"platform_assets_carried_state": metadata["platform_assets_carried_state"]})


def deleted_file(world: World) -> None:
    for file in state_files(world):
        file.unlink()


def state_files(world: World) -> list[Path]:
    return sorted((Path(world.lake.root) / CASE.name / "carried").glob("*.parquet"))


@pytest.mark.parametrize(
    ("change", "why_not"),
    [
        (late_row, "made from another files"),
        (deleted_day, "made from another files"),
        (corrected_label, "made from another files"),
        (damaged_file, "the file cannot be read"),
        (altered_rows, "the file is damaged"),
        (deleted_file, "there is none"),
    ],
)
def test_a_state_that_something_changed_behind_is_not_used(
    world: World, change: Callable[[World], None], why_not: str
) -> None:
    view = view_of(CASE, "shop_rich")
    for day in DAYS[:11]:
        world.publish(day)
    world.compute(view, DAYS[0], DAYS[9])
    change(world)
    found, told = world.compute(view, DAYS[10], DAYS[10])
    assert told.startswith(why_not)
    assert found.equals(world.expected(view, DAYS[10], DAYS[10]))
    world.publish(DAYS[11])
    found, told = world.compute(view, DAYS[11], DAYS[11])
    assert told == ""
    assert found.equals(world.expected(view, DAYS[11], DAYS[11]))


def test_computing_an_old_day_again_leaves_the_newest_state(world: World) -> None:
    view = view_of(CASE, "card_rich")
    for day in DAYS:
        world.publish(day)
    world.compute(view, DAYS[0], DAYS[9])
    world.compute(view, DAYS[3], DAYS[5])
    assert world.compute(view, DAYS[10], DAYS[10])[1] == ""


def test_a_state_of_another_declaration_is_not_used(world: World) -> None:
    view = view_of(CASE, "card_rich")
    for day in DAYS:
        world.publish(day)
    world.compute(view, DAYS[0], DAYS[9])
    longer = view.model_copy(update={"windows": view.windows[1:]})
    world.case = CASE.model_copy(update={"features": (longer,)})
    found, told = world.compute(longer, DAYS[10], DAYS[10])
    assert "meaning" in told
    assert found.equals(world.expected(longer, DAYS[10], DAYS[10]))


def test_a_changed_day_makes_exactly_the_touched_days_stale() -> None:
    days = event_days(CASE)
    for view in CASE.features:
        deps: dict[str, dg.AssetDep] = {dep.asset_key.path[-1]: dep for dep in view_deps(CASE, view)}
        for day in DAYS:
            first, last = days_touched(view, day)
            expected = [str(other) for other in DAYS if first <= other <= last]
            assert downstream(deps["payments"].partition_mapping, days, day) == expected
        if "labels" in deps:
            known = DAYS[2] + timedelta(days=LABEL_DELAY_DAYS)
            last = days_touched(view, DAYS[2])[1]
            expected = [str(other) for other in DAYS if known <= other <= last]
            assert downstream(deps["labels"].partition_mapping, days, DAYS[2]) == expected


def test_a_looked_up_day_makes_the_days_stale_that_its_rows_count_for_and_the_state_of_the_midnight_before() -> None:
    case, days = wide_case(), event_days(CASE)
    counting = range(HOLDER_DELAY_DAYS, HOLDER_MAX_AGE_DAYS + 1)
    features = {dep.asset_key.path[-1]: dep for dep in view_deps(case, case.features[0])}
    assert downstream(features["holders"].partition_mapping, days, DAYS[2]) == [str(DAYS[2 + n]) for n in counting]
    assert features["shops"].partition_mapping is None
    online = {dep.asset_key.path[-1]: dep for dep in lookup_deps(case, case.features, ahead_days=1)}
    assert downstream(online["holders"].partition_mapping, days, DAYS[2])[0] == str(DAYS[1 + HOLDER_DELAY_DAYS])


def downstream(mapping: dg.PartitionMapping | None, days: Any, day: date) -> list[str]:
    assert mapping is not None
    subset = days.empty_subset().with_partition_keys([str(day)])
    return sorted(mapping.get_downstream_partitions_for_partitions(subset, days, days).get_partition_keys())


def test_a_table_never_mixes_two_meanings(world: World) -> None:
    view = view_of(CASE, "card_rich")
    for day in DAYS:
        world.publish(day)
    catalog = Catalog(CASE, world.lake)
    computed = FeatureDays(catalog, view)
    for first, last, frame in computed.frames(DAYS[0], DAYS[-1]):
        catalog.features(view).write_partitions(frame, first, last, metadata=commit_record(computed))
    assert refuse_mixed_meanings(catalog, view, DayRange(DAYS[0], DAYS[0])) is False

    other = view.model_copy(update={"windows": (view.windows[0].model_copy(update={"delay": "2h"}), *view.windows[1:])})
    with pytest.raises(FeatureError, match=r"meaning changed.*version: 2"):
        refuse_mixed_meanings(catalog, other, DayRange(DAYS[3], DAYS[5]))
    assert refuse_mixed_meanings(catalog, other, DayRange(DAYS[0], DAYS[-1])) is True
    described = view.model_copy(update={"description": "in other words"})
    assert refuse_mixed_meanings(catalog, described, DayRange(DAYS[3], DAYS[5])) is False

    second = other.model_copy(update={"version": 2})
    case = UseCase.model_validate(
        {**CASE.model_dump(), "features": [second.model_dump()], "previous_features": [view.model_dump()]}
    )
    assert [item.table for item in case.stored_views] == ["card_rich_v2", "card_rich"]
    assert refuse_mixed_meanings(Catalog(case, world.lake), second, DayRange(DAYS[3], DAYS[5])) is False


def test_the_asset_computes_a_range_in_one_run_and_goes_on_the_day_after(world: World) -> None:
    view = view_of(CASE, "shop_rich")
    asset = feature_table_asset(use_case=CASE, view=view)
    table = world.lake.table(CASE.name, FEATURES, view.table, CASE.feature_schema(view))
    for day in DAYS[:-1]:
        world.publish(day)

    def materialize(**partitions: Any) -> dict[str, Any]:
        result = dg.materialize([asset], resources={"lake": world.lake, "capacity": NO_BOUND}, **partitions)
        *_, event = result.get_asset_materialization_events()
        return {name: value.value for name, value in event.materialization.metadata.items()}

    tags = {"dagster/asset_partition_range_start": str(DAYS[0]), "dagster/asset_partition_range_end": str(DAYS[-2])}
    told = materialize(tags=tags)
    assert told["carried_state"] == "there is none"
    assert told["dagster/row_count"] == len(world.expected(view, DAYS[-2], DAYS[-2])), "of the day, not of the run"
    world.publish(DAYS[-1])
    assert materialize(partition_key=str(DAYS[-1]))["carried_state"] == "used"
    assert table.read(DAYS[-1], DAYS[-1]).equals(world.expected(view, DAYS[-1], DAYS[-1]))
    assert table.read(DAYS[0], DAYS[-2]).equals(world.expected(view, DAYS[0], DAYS[-2]))
    newest = table.history(1)[0].metadata
    assert set(newest) == {"view_meaning", "data_versions"}
