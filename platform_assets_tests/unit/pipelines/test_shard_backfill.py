"""A range of days that does not fit into memory: one commit with the rows of the path that carries state."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from platform_assets.declaration import FeatureView
from platform_assets.declaration.days import DayRange
from platform_assets.features.errors import FeatureError
from platform_assets.features.offline.sharding.errors import ShardFailed
from platform_assets.features.offline.sharding.memory import MOST_BYTES, usable_memory_bytes
from platform_assets.features.offline.sharding.plan import NO_BOUND, Capacity, RowBytes, make_plan
from platform_assets.features.offline.sharding.stages import ViewStages
from platform_assets.lake.catalog import Catalog
from platform_assets.pipelines import compute_features as pipeline
from platform_assets.pipelines import shard_backfill
from platform_assets.pipelines.compute_features import FeatureDays, compute_features
from platform_assets_tests.unit.features.histories import use_case, view_of
from platform_assets_tests.unit.pipelines.test_feature_days import CASE, DAYS, World

FIRST, LAST = DAYS[3], DAYS[-1]


@pytest.fixture
def world(tmp_path: Path) -> World:
    world = World(tmp_path / "lake")
    for day in DAYS:
        world.publish(day)
    return world


@pytest.fixture
def tight(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Capacity:
    """So little memory that a few rows make a chunk and a shard."""

    def planned(view: FeatureView, case: Any, days: DayRange, counts: Any, capacity: Capacity) -> Any:
        plan = make_plan(counts, days.first, days.last, 5, RowBytes(8, 8, 2**20), 0, has_windows=bool(view.windows))
        return replace(plan, shards=3 if view.windows else 0, rows_bytes=8 * 40)

    monkeypatch.setattr(pipeline, "planned", planned)
    return Capacity(1, str(tmp_path / "scratch"))


@pytest.mark.parametrize("name", ["card_rich", "shop_rich"])
def test_a_history_in_shards_is_one_commit_with_the_rows_of_one_machine(
    world: World, tight: Capacity, name: str
) -> None:
    view = view_of(CASE, name)
    catalog = Catalog(CASE, world.lake)
    table = catalog.features(view)
    compute_features(catalog, view, DayRange(DAYS[0], DAYS[-1]))
    before = {day: table.read(day, day) for day in DAYS}
    commits = len(table.history(None))
    computed = compute_features(catalog, view, DayRange(FIRST, LAST), tight)
    assert len(table.history(None)) == commits + 1
    assert computed.rows == sum(before[day].height for day in DAYS[3:])
    assert computed.carried_state == "history in shards"
    assert set(computed.versions.values()) == {computed.commit.version}
    assert all(one.passed for one in computed.completeness.values())
    for day in DAYS:
        assert table.read(day, day).equals(before[day])
    assert table.history(1)[0].metadata["view_meaning"] == FeatureDays(catalog, view).meaning
    assert list(Path(tight.scratch).iterdir()) == []


def test_a_shard_that_fails_three_times_commits_nothing(
    world: World, tight: Capacity, monkeypatch: pytest.MonkeyPatch
) -> None:
    view, catalog = view_of(CASE, "card_rich"), Catalog(CASE, world.lake)
    table = catalog.features(view)
    compute_features(catalog, view, DayRange(DAYS[0], DAYS[-1]))
    version, rows = table.version(), table.read()

    def broken(*_: Any) -> None:
        raise OSError(5, "input/output error")

    monkeypatch.setattr(ViewStages, "compute", broken)
    with pytest.raises(ShardFailed, match=r"shard 1 of 3, days .* failed 3 times"):
        compute_features(catalog, view, DayRange(FIRST, LAST), tight)
    assert (table.version(), table.read().equals(rows)) == (version, True)


def test_only_what_does_not_fit_is_done_in_shards(world: World, tmp_path: Path) -> None:
    view, catalog = view_of(CASE, "card_rich"), Catalog(CASE, world.lake)
    days, whole = FeatureDays(catalog, view), DayRange(FIRST, LAST)
    assert days.shard_plan(whole, NO_BOUND) is None
    assert days.shard_plan(whole, Capacity(2**30, "")) is None
    assert days.shard_plan(DayRange(LAST, LAST), Capacity(1, "")) is None
    plan = days.shard_plan(whole, Capacity(1, ""))
    assert plan is not None
    assert plan.chunks[0].first == FIRST - timedelta(days=3)


def test_a_view_without_windows_is_one_commit_too(world: World, tight: Capacity) -> None:
    case = use_case()
    view, catalog = view_of(case, "context"), Catalog(case, world.lake)
    expected = pl.concat([frame for _, _, frame in FeatureDays(catalog, view).frames(DAYS[0], DAYS[-1])])
    compute_features(catalog, view, DayRange(DAYS[0], DAYS[-1]), tight)
    table = catalog.features(view)
    assert table.read().equals(expected)
    assert [entry.operation for entry in table.history(None)][:1] == ["commit_files"]


def test_the_cluster_is_used_where_there_is_one_and_is_refused_in_words(world: World, tmp_path: Path) -> None:
    view, catalog = view_of(CASE, "card_rich"), Catalog(CASE, world.lake)
    with pytest.raises(FeatureError, match="client protocol is not supported"):
        compute_features(catalog, view, DayRange(FIRST, LAST), Capacity(1, "", "ray://nowhere:10001"))
    assert not catalog.features(view).exists()
    assert shard_backfill.engine_for(Capacity(1, str(tmp_path))).__class__.__name__ == "InChunks"


def test_memory_is_that_of_the_machine_or_of_its_container(tmp_path: Path) -> None:
    limit = tmp_path / "memory.max"
    assert 0 < usable_memory_bytes(limit) <= MOST_BYTES
    limit.write_text("max\n")
    assert usable_memory_bytes(limit) == usable_memory_bytes(tmp_path / "none")
    limit.write_text(f"{2**30}\n")
    assert usable_memory_bytes(limit) == 2**28
