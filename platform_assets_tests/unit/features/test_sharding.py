"""A backfill in shards: the same bits as one pass, however it is cut; what fails is begun again by itself, and named in the end."""

import errno
import random
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from platform_assets.declaration import EVENT_DAY, FeatureView, UseCase
from platform_assets.features.errors import FeatureError, PointInTimeError
from platform_assets.features.offline.feature_table import compute_view, days_reached, join_labels
from platform_assets.features.offline.sharding.engines.base import ShardEngine
from platform_assets.features.offline.sharding.engines.in_chunks import InChunks
from platform_assets.features.offline.sharding.engines.on_ray import OnRay, other_versions, versions
from platform_assets.features.offline.sharding.errors import ScratchFull, ShardFailed
from platform_assets.features.offline.sharding.plan import (
    Chunk,
    RowBytes,
    Segment,
    ShardPlan,
    estimated_bytes,
    make_plan,
    row_bytes,
)
from platform_assets.features.offline.sharding.stages import ViewStages, shard_of
from platform_assets_tests.unit.features.fake_ray import FakeRay
from platform_assets_tests.unit.features.histories import (
    EVENT_SCHEMA,
    FIRST_DAY,
    LABEL_SCHEMA,
    LAST_DAY,
    rich_case,
    use_case,
    view_of,
    window,
)
from platform_assets_tests.unit.features.test_local_days import ZONE, declared
from platform_assets_tests.unit.features.test_local_days import events as local_events

CASE = rich_case()
SIXTH_ROW = 132
"""Where an event without entity goes that is the sixth of its chunk."""
BEGIN = FIRST_DAY + timedelta(days=4)


@dataclass
class InMemory:
    """The tables of a backfill as a frame; what is written is kept."""

    rows: pl.DataFrame
    reads: list[tuple[date, date]] = field(default_factory=list)

    def events(self, first: date, last: date) -> pl.DataFrame:
        self.reads.append((first, last))
        return self.rows.filter(pl.col(EVENT_DAY).is_between(first, last))

    looked_up = events

    def write(self, rows: pl.DataFrame, first: date, last: date) -> Sequence[pl.DataFrame]:
        assert rows[EVENT_DAY].is_between(first, last).all()
        return [rows]


def payments(count: int = 300, busy: float = 0.0) -> pl.DataFrame:
    """Payments with their labels, in no order, many at the same moment; some have no card."""
    chance, events, labels = random.Random(11), [], []
    for key in range(count):
        moment = datetime(2024, 2, 26, tzinfo=UTC) + timedelta(minutes=30 * chance.randrange(12 * 48))
        card = 1 if chance.random() < busy else chance.choice((None, *range(9)))
        amount = chance.choice((None, 0.1, chance.uniform(-1e3, 1e3)))
        events.append((key, moment, card, chance.randrange(3), amount, moment.date()))
        labels.append((key, moment, chance.randrange(2), moment.date()))
    chance.shuffle(events)
    frame = pl.DataFrame(events, schema=EVENT_SCHEMA, orient="row")
    return join_labels(frame, pl.DataFrame(labels, schema=LABEL_SCHEMA, orient="row"), CASE)


def plan_of(view: FeatureView, case: UseCase, rows: pl.DataFrame, first: date, last: date, shards: int) -> ShardPlan:
    """A chunk for every day or two, and as many shards as asked."""
    counts = dict(rows.group_by(EVENT_DAY).len().sort(EVENT_DAY).iter_rows())
    reach = days_reached(view, case.time_zone)
    small = RowBytes(computed=8, history=8, table=2**20)  # a chunk has 32 rows
    plan = make_plan(counts, first, last, reach, small, 0, has_windows=bool(view.windows))
    return replace(plan, shards=shards if view.windows else 0)


def in_shards(
    view: FeatureView, case: UseCase, rows: pl.DataFrame, first: date, last: date, plan: ShardPlan, scratch: Path
) -> pl.DataFrame:
    stages = ViewStages(view, case, InMemory(rows), plan.shards)
    here = pl.concat(InChunks(str(scratch)).run(stages, plan))
    assert list(scratch.iterdir()) == []
    assert pl.concat(on_ray().run(stages, plan)).equals(here)
    return here


def on_ray(ray: FakeRay | None = None) -> OnRay:
    return OnRay((ray or FakeRay(versions())).join, 2**30)


@pytest.mark.parametrize("shards", [1, 4])
@pytest.mark.parametrize("name", ["card_rich", "shop_rich"])
def test_shards_give_the_bits_of_one_pass(tmp_path: Path, name: str, shards: int) -> None:
    view, rows = view_of(CASE, name), payments()
    plan = plan_of(view, CASE, rows, BEGIN, LAST_DAY, shards)
    assert len(plan.computed) > 2
    assert len(plan.chunks) > len(plan.computed)
    found = in_shards(view, CASE, rows, BEGIN, LAST_DAY, plan, tmp_path)
    assert found.equals(compute_view(view, CASE, rows, BEGIN, LAST_DAY))


def test_a_view_without_windows_needs_no_shards(tmp_path: Path) -> None:
    case = use_case()
    view, rows = view_of(case, "context"), payments()
    plan = plan_of(view, case, rows, FIRST_DAY, LAST_DAY, 3)
    found = in_shards(view, case, rows, FIRST_DAY, LAST_DAY, plan, tmp_path)
    assert found.equals(compute_view(view, case, rows, FIRST_DAY, LAST_DAY))


def test_the_shard_of_a_busy_entity_is_cut_by_time_and_gives_the_same_bits(tmp_path: Path) -> None:
    view, rows = view_of(CASE, "card_rich"), payments(400, busy=0.6)
    plan = replace(plan_of(view, CASE, rows, FIRST_DAY, LAST_DAY, 3), rows_bytes=8 * 100)
    counts = [rows.filter(pl.col(EVENT_DAY).is_between(c.first, c.last)).height for c in plan.chunks]
    assert len(plan.segments(0, counts)) > 3
    found = in_shards(view, CASE, rows, FIRST_DAY, LAST_DAY, plan, tmp_path)
    assert found.equals(compute_view(view, CASE, rows, FIRST_DAY, LAST_DAY))


def test_days_of_a_time_zone_with_a_change_of_the_clock(tmp_path: Path) -> None:
    case, first = declared(), date(2024, 3, 6)
    rows = local_events(first, 9)
    view, begin, last = case.features[0], first + timedelta(days=3), first + timedelta(days=8)
    plan = plan_of(view, case, rows, begin, last, 2)
    assert case.time_zone == ZONE
    found = in_shards(view, case, rows, begin, last, plan, tmp_path)
    assert found.equals(compute_view(view, case, rows, begin, last))


def test_entities_of_several_columns_and_of_text(tmp_path: Path) -> None:
    document = CASE.model_dump(mode="json")
    document["entities"].append({"name": "pair", "keys": ["card_id", "shop_id"], "description": "a card at a shop"})
    windows = [window("pair_count", "count", None, [3]), window("pair_sum", "sum", "amount", [1])]
    document["features"] = [{"name": "pairs", "description": "pairs", "entity": "pair", "windows": windows}]
    case, rows = UseCase.model_validate(document), payments()
    view = case.features[0]
    found = in_shards(view, case, rows, BEGIN, LAST_DAY, plan_of(view, case, rows, BEGIN, LAST_DAY, 4), tmp_path)
    assert found.equals(compute_view(view, case, rows, BEGIN, LAST_DAY))


def test_days_without_events_and_a_key_that_comes_twice(tmp_path: Path) -> None:
    view, rows = view_of(CASE, "card_rich"), payments().filter(pl.col(EVENT_DAY) < date(2024, 3, 4))
    plan = plan_of(view, CASE, rows, BEGIN, LAST_DAY, 2)
    found = in_shards(view, CASE, rows, BEGIN, LAST_DAY, plan, tmp_path)
    assert found.equals(compute_view(view, CASE, rows, BEGIN, LAST_DAY))
    with pytest.raises(PointInTimeError, match="repeat a key"):
        in_shards(view, CASE, pl.concat([rows, rows.head(1)]), BEGIN, LAST_DAY, plan, tmp_path)


class Flaky(ViewStages):
    """Fails where it is told to, so many times."""

    def __init__(self, stages: ViewStages, failing: int, times: int, error: Exception) -> None:
        super().__init__(stages.view, stages.use_case, stages.days, stages.shards)
        self.__dict__.update(failing=failing, left=times, error=error, computed=[])

    def compute(self, segment: Segment, parts: Sequence[pl.DataFrame]) -> list[pl.DataFrame]:
        self.__dict__["computed"].append(segment.shard)
        if segment.shard == self.__dict__["failing"] and self.__dict__["left"]:
            self.__dict__["left"] -= 1
            raise self.__dict__["error"]
        return super().compute(segment, parts)


def flaky(times: int, error: Exception) -> tuple[Flaky, ShardPlan, pl.DataFrame]:
    view, rows = view_of(CASE, "card_rich"), payments()
    plan = plan_of(view, CASE, rows, BEGIN, LAST_DAY, 4)
    stages = ViewStages(view, CASE, InMemory(rows), plan.shards)
    return Flaky(stages, 2, times, error), plan, compute_view(view, CASE, rows, BEGIN, LAST_DAY)


@pytest.fixture(params=["in_chunks", "on_ray"])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> ShardEngine:
    return InChunks(str(tmp_path)) if request.param == "in_chunks" else on_ray()


def test_a_shard_that_fails_twice_is_computed_again_alone(engine: ShardEngine) -> None:
    stages, plan, expected = flaky(2, OSError(errno.EIO, "input/output error"))
    assert pl.concat(engine.run(stages, plan)).equals(expected)
    assert stages.__dict__["computed"] == [0, 1, 2, 2, 2, 3]


def test_a_shard_that_fails_three_times_is_named_and_nothing_is_left(engine: ShardEngine, tmp_path: Path) -> None:
    stages, plan, _ = flaky(3, MemoryError("cannot allocate"))
    named = rf"shard 3 of 4, days {BEGIN} .. {LAST_DAY} failed 3 times.*: MemoryError, cannot allocate. Nothing was"
    with pytest.raises(ShardFailed, match=named):
        engine.run(stages, plan)
    assert list(tmp_path.iterdir()) == []


def test_what_is_declared_wrongly_fails_at_once(engine: ShardEngine) -> None:
    stages, plan, _ = flaky(1, FeatureError("a condition fails"))
    with pytest.raises(FeatureError, match="a condition fails"):
        engine.run(stages, plan)
    assert stages.__dict__["computed"].count(2) == 1


@pytest.mark.parametrize("name", ["WorkerCrashedError", "OutOfMemoryError", "OutOfDiskError"])
def test_what_the_cluster_could_not_do_is_named(name: str) -> None:
    from ray import exceptions

    stages, plan, _ = flaky(0, OSError())

    class Lost(FakeRay):
        def get(self, reference: Any) -> Any:
            if any("shard" in task for task in self.names):
                raise getattr(exceptions, name)(*(() if name == "WorkerCrashedError" else ("it was too much",)))
            return super().get(reference)

    ray, is_full = Lost(versions()), name == "OutOfDiskError"
    expected = "full disk.*object_spilling_directory" if is_full else "failed 3 times on the Ray cluster: .*Nothing was"
    with pytest.raises(ScratchFull if is_full else ShardFailed, match=rf"shard 1 of 4, days .*{expected}"):
        on_ray(ray).run(stages, plan)
    assert ray.cancelled == 3


def test_a_cluster_of_another_version_is_refused_before_anything_is_read() -> None:
    stages, plan, _ = flaky(0, OSError())
    ray = FakeRay({**versions(), "polars": "0.1"})
    with pytest.raises(FeatureError, match=r"the Ray node 10\.0\.0\.2 has polars 0\.1 \(here .*Use one image"):
        on_ray(ray).run(stages, plan)
    assert ray.names == []


def test_a_full_scratch_disk_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stages, plan, _ = flaky(0, OSError())

    def full(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(pl.DataFrame, "write_ipc", full)
    with pytest.raises(ScratchFull, match=rf"no room in {tmp_path}.*PLATFORM_ASSETS_SCRATCH"):
        InChunks(str(tmp_path)).run(stages, plan)
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "file").touch()
    with pytest.raises(ScratchFull, match="cannot write to"):
        InChunks(str(tmp_path / "file")).run(stages, plan)


def test_segments_cover_each_chunk_once_and_reach_back_as_far_as_windows() -> None:
    days = [FIRST_DAY + timedelta(days=number) for number in range(12)]
    chunks = tuple(Chunk(n, day, day, n < 3) for n, day in enumerate(days))
    plan = ShardPlan(chunks, 2, RowBytes(10, 5, 1), 100, reach_days=2)
    segments = plan.segments(1, [3] * len(chunks))
    assert [chunk for segment in segments for chunk in segment.computed] == list(plan.computed)
    assert [chunk.first for chunk in segments[0].history] == days[1:3]
    assert [len(segment.computed) for segment in segments] == [
        2,
        2,
        2,
        2,
        1,
    ]  # 2 x 3 x 5 + 2 x 3 x 10 = 90 of 100 bytes
    assert len(plan.segments(0, [0] * len(chunks))) == 1
    assert len(plan.segments(0, [1000] * len(chunks))) == len(plan.computed)


def test_a_plan_has_more_shards_for_more_rows_and_less_memory() -> None:
    view = view_of(CASE, "card_rich")
    of_row = row_bytes(ViewStages(view, CASE, InMemory(pl.DataFrame()), 1).plan, 6, 40)
    days = [FIRST_DAY + timedelta(days=number) for number in range(10)]

    def shards(rows: int, memory_bytes: int) -> int:
        return make_plan(dict.fromkeys(days, rows), days[3], days[-1], 3, of_row, memory_bytes).shards

    assert shards(1_000, 2**30) == 1
    assert 1 < shards(10**6, 2**30) < shards(10**7, 2**30)
    assert shards(10**7, 2**32) < shards(10**7, 2**30)
    assert estimated_bytes(10**6, of_row) > 10**6 * of_row.computed


def test_entities_are_spread_evenly_and_the_same_everywhere() -> None:
    numbers = pl.Series(range(100_000))
    found = shard_of(numbers, 7)
    sizes = pl.Series(found).value_counts()["count"]
    assert sizes.min() > 0.95 * 100_000 / 7  # type: ignore[operator]
    assert shard_of(pl.Series([0, 1, 2, 10**12, -1, None]), 1000).tolist() == [0, 789, 730, 471, 67, SIXTH_ROW]
    assert shard_of(pl.Series(["a", "b", None]), 1000).tolist() == shard_of(pl.Series(["a", "b", None]), 1000).tolist()


def test_another_version_on_a_machine_is_put_in_words() -> None:
    here = versions()
    assert other_versions(here, here) == ""
    assert other_versions(here, {**here, "polars": "0.1"}) == f"polars 0.1 (here {here['polars']})"
