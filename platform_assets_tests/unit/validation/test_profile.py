"""Profiles against plain Python, and the picture."""

import json
import statistics
from collections import Counter
from datetime import UTC, date, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from platform_assets.declaration import Source
from platform_assets.lake.schemas import PROFILE_SCHEMA
from platform_assets.validation.plots import plot_volume
from platform_assets.validation.profile import _by_hour, _in_order, _of_text, profile

DAY = date(2024, 3, 1)
NEXT = DAY + timedelta(days=1)


@pytest.fixture(scope="module")
def published(rides: Source) -> pl.DataFrame:
    rows = 9
    return pl.DataFrame(
        {
            "ride_id": [*range(rows - 1), None],
            "started_at": [datetime(2024, 3, 1 + i // 6, i, tzinfo=UTC) for i in range(rows)],
            "bike": [1] * rows,
            "price": [float(i * i) for i in range(rows)],
            "tip": [None] * rows,
            "kind": ["day", "night", "day"] * 3,
            "event_day": [DAY] * 6 + [NEXT] * 3,
        },
        schema=rides.polars_schema(),
    )


def test_a_line_for_each_day_and_column(rides: Source, published: pl.DataFrame) -> None:
    found = profile(published.sample(fraction=1.0, shuffle=True, seed=1), rides)
    assert found.schema == PROFILE_SCHEMA
    assert found.select("event_day", "column").rows() == [
        (day, name) for day in (DAY, NEXT) for name in rides.column_names
    ]
    assert found["rows"].to_list() == [6] * 6 + [3] * 6


def test_the_numbers_are_those_of_the_day(rides: Source, published: pl.DataFrame) -> None:
    found = {(line["event_day"], line["column"]): line for line in profile(published, rides).to_dicts()}
    price, values = found[DAY, "price"], [0.0, 1.0, 4.0, 9.0, 16.0, 25.0]
    assert (price["nulls"], price["distinct"], price["minimum"], price["maximum"]) == (0, 6, "0.0", "25.0")
    assert price["mean"] == pytest.approx(statistics.mean(values))
    assert price["std"] == pytest.approx(statistics.stdev(values))
    assert (price["q01"], price["q99"]) == (0.0, 25.0)
    assert price["q50"] in (4.0, 9.0)
    assert (found[NEXT, "ride_id"]["nulls"], found[NEXT, "ride_id"]["maximum"]) == (1, "7")
    assert (found[DAY, "bike"]["distinct"], found[DAY, "bike"]["std"]) == (1, 0.0)
    assert (found[DAY, "tip"]["nulls"], found[DAY, "tip"]["mean"], found[DAY, "tip"]["minimum"]) == (6, None, None)
    kind = found[DAY, "kind"]
    assert (kind["distinct"], kind["minimum"], kind["maximum"], kind["mean"], kind["q50"]) == (
        2,
        "day",
        "night",
        None,
        None,
    )
    assert found[NEXT, "started_at"]["minimum"].startswith("2024-03-02 06:00:00")


def test_a_reference_table_is_one_part(rides: Source, published: pl.DataFrame) -> None:
    table = rides.model_copy(update={"event_time": None})
    found = profile(published.drop("event_day"), table)
    assert found["event_day"].null_count() == found.height == 6
    assert found["rows"].to_list() == [9] * 6


def test_no_rows_give_no_lines(rides: Source, published: pl.DataFrame) -> None:
    found = profile(published.clear(), rides)
    assert found.height == 0
    assert found.schema == PROFILE_SCHEMA


NUMBERS = st.lists(st.integers(-40, 40) | st.integers(-(2**62), 2**62), max_size=60)


@given(NUMBERS)
def test_whole_numbers_are_put_in_order_whether_they_are_counted_or_sorted(numbers: list[int]) -> None:
    assert _in_order(pl.Series(numbers, dtype=pl.Int64)).tolist() == sorted(numbers)


@given(st.lists(st.integers(-(10**12), 10**12) | st.integers(-(10**16), 10**16), max_size=40))
def test_times_are_counted_by_hour_of_the_day_however_far_apart(times: list[int]) -> None:
    hours = [time // 3_600_000_000 % 24 for time in times]
    assert _by_hour(np.array(sorted(times), dtype=np.int64)) == [hours.count(hour) for hour in range(24)]


def test_the_picture_is_a_png_and_always_the_same() -> None:
    counts = {DAY + timedelta(days=i): 100 + i for i in range(20)}
    picture = plot_volume(counts, {DAY: 3})
    assert picture.startswith(b"\x89PNG")
    assert picture == plot_volume(dict(reversed(counts.items())), {DAY: 3})
    assert picture != plot_volume(counts, {})
    assert plot_volume({}, {}).startswith(b"\x89PNG")
    assert plot_volume({DAY: 0}, {}).startswith(b"\x89PNG")


@settings(max_examples=60, deadline=None)
@given(st.lists(st.one_of(st.none(), st.sampled_from("abcdefghijklmnopqrstuvwxyz"), st.text(max_size=2)), max_size=80))
def test_the_most_frequent_texts_are_those_of_a_count_by_hand(texts: list[str | None]) -> None:
    counts = Counter(text for text in texts if text is not None)
    often = sorted(((-count, text) for text, count in counts.items() if count > 1))[:10]
    found = _of_text(pl.Series("text", texts, dtype=pl.String).drop_nulls())
    assert json.loads(found["top_values"]) == [[text, -count] for count, text in often]
    assert (found["distinct"], found["minimum"]) == (len(counts), min(counts, default=None))
