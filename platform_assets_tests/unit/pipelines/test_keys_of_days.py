"""The same primary key on two days: one row counts, by the declared rule, and features never meet both."""

from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from pydantic import ValidationError

from platform_assets.declaration import EVENT_DAY
from platform_assets.declaration.days import DayRange
from platform_assets.pipelines.compute_features import compute_features
from platform_assets_tests.unit.pipelines.file_days import MONDAY, FileDays

TUESDAY, WEDNESDAY = MONDAY + timedelta(days=1), MONDAY + timedelta(days=2)
LOOSE = {"max_refused_ratio": 0.5}


@pytest.fixture
def world(tmp_path: Path) -> Callable[..., FileDays]:
    return lambda **source: FileDays(tmp_path, **{"quality": LOOSE, **source})


def line(sale: int, day: date, items: int, hour: int = 9) -> str:
    return f"{sale},{day}T{hour:02d}:00:00Z,{items},0"


def deliver(shop: FileDays, **days: list[str]) -> None:
    for name, lines in days.items():
        shop.write(f"{ {'monday': MONDAY, 'tuesday': TUESDAY, 'wednesday': WEDNESDAY}[name] }.csv", lines)


def two_days(shop: FileDays) -> None:
    """Sale 1 of Monday comes again on Tuesday, corrected."""
    deliver(
        shop,
        monday=[line(1, MONDAY, 1), line(2, MONDAY, 2), line(3, MONDAY, 3)],
        tuesday=[line(1, TUESDAY, 7), line(4, TUESDAY, 4), line(5, TUESDAY, 5)],
    )


def published(shop: FileDays) -> dict[int, tuple[date, int]]:
    rows = shop.catalog.events.read(None, None)
    assert rows["sale"].is_unique().all()
    return {sale: (day, items) for sale, day, items in rows.select("sale", EVENT_DAY, "items").iter_rows()}


def quarantined(shop: FileDays) -> list[tuple[Any, ...]]:
    rows = shop.catalog.quarantine("events").read()
    return rows.select(EVENT_DAY, "rule", "column", "value").sort(EVENT_DAY).rows()


@pytest.mark.parametrize("at_once", [True, False])
def test_by_default_the_first_one_counts_and_the_other_goes_to_quarantine(
    world: Callable[..., FileDays], at_once: bool
) -> None:
    shop = world()
    two_days(shop)
    for first, last in [(MONDAY, TUESDAY)] if at_once else [(MONDAY, MONDAY), (TUESDAY, TUESDAY)]:
        load = shop.load_and_publish(first, last)
    assert load.passed
    assert published(shop)[1] == (MONDAY, 1)
    assert quarantined(shop) == [(TUESDAY, "repeated_key", "sale", f"1 (the row of {MONDAY} counts)")]
    assert shop.load_and_publish(TUESDAY).rows_by_rule == {"repeated_key": 1}
    assert shop.load_and_publish(MONDAY).rows_refused == 0


@pytest.mark.parametrize("order", [[(0, 1)], [(0, 0), (1, 1)], [(1, 1), (0, 0)]])
def test_the_newest_counts_whatever_the_order_of_the_loads(
    world: Callable[..., FileDays], order: list[tuple[int, int]]
) -> None:
    shop = world(repeated_keys="newest")
    two_days(shop)
    loads = [shop.load_and_publish(MONDAY + timedelta(days=a), MONDAY + timedelta(days=b)) for a, b in order]
    assert all(load.passed for load in loads)
    assert published(shop) == {
        1: (TUESDAY, 7),
        2: (MONDAY, 2),
        3: (MONDAY, 3),
        4: (TUESDAY, 4),
        5: (TUESDAY, 5),
    }
    assert quarantined(shop) == [(MONDAY, "superseded", "sale", f"1 (the row of {TUESDAY} counts)")]
    assert loads[-1].superseded_by_day == ({MONDAY: 1} if order == [(0, 0), (1, 1)] else {})
    assert shop.load_and_publish(MONDAY).passed, "loaded again, Monday knows that its row is replaced"
    assert published(shop)[1] == (TUESDAY, 7)


def test_features_of_days_with_such_a_key_are_computed(world: Callable[..., FileDays]) -> None:
    for rule in ({}, {"repeated_keys": "newest"}):
        shop = world(**rule)
        two_days(shop)
        shop.load_and_publish(MONDAY, TUESDAY)
        computed = compute_features(shop.catalog, shop.use_case.features[0], DayRange(MONDAY, TUESDAY))
        assert computed.rows == 5


def test_a_replaced_row_is_no_bad_row_and_too_many_repeated_ones_refuse_the_day(world: Callable[..., FileDays]) -> None:
    newest = world(quality={"max_refused_ratio": 0.0}, repeated_keys="newest")
    two_days(newest)
    assert newest.load_and_publish(MONDAY, TUESDAY).passed
    strict = FileDays(newest.folder / "strict", quality={"max_refused_ratio": 0.0})
    two_days(strict)
    load = strict.load_and_publish(MONDAY, TUESDAY)
    assert load.refused_days == (TUESDAY,)
    assert [rule.rule for rule in load.failed_rules] == ["refused_ratio"]


def test_three_days_and_chunks_of_one_day(world: Callable[..., FileDays]) -> None:
    from platform_assets.pipelines.publish import publish

    shop = world(repeated_keys="newest")
    deliver(
        shop,
        monday=[line(1, MONDAY, 1), line(2, MONDAY, 2)],
        tuesday=[line(1, TUESDAY, 5), line(3, TUESDAY, 3)],
        wednesday=[line(1, WEDNESDAY, 9), line(2, WEDNESDAY, 8), line(4, WEDNESDAY, 4)],
    )
    shop.load(MONDAY, WEDNESDAY)
    publish(shop.catalog, shop.source, DayRange(MONDAY, WEDNESDAY), chunk_rows=1)
    assert published(shop) == {1: (WEDNESDAY, 9), 2: (WEDNESDAY, 8), 3: (TUESDAY, 3), 4: (WEDNESDAY, 4)}
    assert shop.catalog.quarantine("events").read()["rule"].to_list() == ["superseded"] * 3


def test_only_days_whose_keys_may_be_the_same_are_read(
    world: Callable[..., FileDays], monkeypatch: pytest.MonkeyPatch
) -> None:
    from platform_assets.lake import key_lookup

    shop = world()
    for i in range(4):
        day = MONDAY + timedelta(days=i)
        shop.write(f"{day}.csv", [line(10 * i + k, day, 1) for k in range(5)])
    shop.load_and_publish(MONDAY, MONDAY + timedelta(days=3))
    keys = pl.DataFrame({"sale": [21, 14]}, schema={"sale": pl.Int64})
    clean = shop.catalog.events.stored
    assert list(key_lookup._candidates(clean, keys, EVENT_DAY)) == [TUESDAY, WEDNESDAY]
    found = key_lookup.rows_with_keys(clean, keys, WEDNESDAY, WEDNESDAY)
    assert found.rows() == [(14, TUESDAY)]


def test_a_table_that_is_looked_up_may_repeat_its_keys_and_changes_have_no_such_rule() -> None:
    feed = {"kind": "files", "format": "csv", "path": "in", "incremental": True}
    with pytest.raises(ValidationError, match="changes find their row by its key, leave it out"):
        FileDays(Path("none"), connector=feed, repeated_keys="newest")


def test_features_are_due_again_for_days_of_which_rows_were_replaced() -> None:
    from platform_assets.pipelines.due import due, tables_to_read
    from platform_assets.pipelines.jobs import LOAD

    use_case = FileDays(Path("none"), repeated_keys="newest").use_case
    features = ("features", use_case.features[-1].table)
    assert ("clean", "events") in tables_to_read(use_case)
    done = {("clean", "events"): {MONDAY: 1, TUESDAY: 3}, features: {MONDAY: 2, TUESDAY: 4}}
    wanted = {LOAD: DayRange(MONDAY, TUESDAY)}
    assert due(use_case, done, WEDNESDAY, wanted) == []
    done["clean", "events"][MONDAY] = 5
    [again] = due(use_case, done, WEDNESDAY, wanted)
    assert again.days == DayRange(MONDAY, MONDAY)
