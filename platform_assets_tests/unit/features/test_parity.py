"""Parity: every planted difference between log and offline values is counted and named."""

from datetime import timedelta

import numpy as np
import polars as pl
import pytest

from platform_assets.features.errors import FeatureError, PointInTimeError
from platform_assets.features.parity import compare
from platform_assets.spec.predictions import FEATURE_PREFIX
from platform_assets_tests.unit.features.histories import MIDNIGHT, use_case

CASE = use_case()
ROWS = 6
OFFLINE = pl.DataFrame(
    {"payment_id": range(ROWS), **{name: [1.1 * (row + 1) for row in range(ROWS)] for name in CASE.feature_names}}
)
LOGGED = OFFLINE.rename({name: FEATURE_PREFIX + name for name in CASE.feature_names}).with_columns(
    pl.Series("paid_at", [MIDNIGHT + timedelta(hours=row) for row in range(ROWS)], dtype=pl.Datetime("us", "UTC")),
    pl.Series("card_id", [10 + row for row in range(ROWS)]),
    pl.Series("shop_id", [20 + row for row in range(ROWS)]),
)


def planted(name: str, row: int, value: float | None) -> pl.DataFrame:
    column = FEATURE_PREFIX + name
    return LOGGED.with_columns(
        pl.when(pl.col("payment_id") == row).then(pl.lit(value, pl.Float64)).otherwise(pl.col(column)).alias(column)
    )


def test_equal_values_are_equal_to_the_bit() -> None:
    result = compare(LOGGED, OFFLINE, CASE)
    assert (result.rows, result.exact, result.equal) == (ROWS, True, True)
    assert [feature.feature for feature in result.features] == list(CASE.feature_names)
    assert result.examples == ()


def test_a_value_one_unit_in_the_last_place_off_is_close_and_named() -> None:
    value = float(np.nextafter(OFFLINE["shop_count_3d"][2], np.inf))
    result = compare(planted("shop_count_3d", 2, value), OFFLINE, CASE)
    assert (result.exact, result.equal) == (False, True)
    (example,) = result.examples
    assert (example.feature, example.entity, example.key) == ("shop_count_3d", {"shop_id": 22}, {"payment_id": 2})
    assert (example.time, example.logged) == (MIDNIGHT + timedelta(hours=2), value)
    assert str(example).startswith("shop_count_3d of shop_id=22 at 2024-02-26T02:00:00+00:00: logged ")


@pytest.mark.parametrize("value", [None, float("nan"), 0.0, float("inf"), -1.1 * 4, 1.1 * 4 * (1 + 2e-9)])
def test_a_different_value_is_counted_and_named(value: float | None) -> None:
    result = compare(planted("card_mean_3d", 3, value), OFFLINE, CASE)
    assert not result.equal
    counts = {f.feature: (f.rows, f.exact, f.close, f.different) for f in result.features}
    assert counts.pop("card_mean_3d") == (ROWS, ROWS - 1, 0, 1)
    assert set(counts.values()) == {(ROWS, ROWS, 0, 0)}
    (example,) = result.examples
    assert example.offline == OFFLINE["card_mean_3d"][3]
    assert example.logged == (None if value != value else value)


def test_missing_on_both_sides_is_equal() -> None:
    offline = OFFLINE.with_columns(pl.lit(None, pl.Float64).alias("card_mean_3d"))
    logged = LOGGED.with_columns(pl.lit(float("nan")).alias(FEATURE_PREFIX + "card_mean_3d"))
    assert compare(logged, offline, CASE).exact


def test_a_logged_row_without_offline_row_is_not_silently_dropped() -> None:
    result = compare(LOGGED, OFFLINE.filter(pl.col("payment_id") != 4), CASE)
    assert (result.rows, result.not_offline, result.not_offline_keys) == (ROWS - 1, 1, ({"payment_id": 4},))
    assert not result.equal
    assert not result.exact


def test_an_event_scored_twice_is_compared_twice() -> None:
    assert compare(pl.concat([LOGGED, LOGGED]), OFFLINE, CASE).rows == 2 * ROWS


def test_doubled_offline_rows_and_missing_columns_are_refused() -> None:
    with pytest.raises(PointInTimeError, match=r"offline rows: 12 of 12 repeat a key"):
        compare(LOGGED, pl.concat([OFFLINE, OFFLINE]), CASE)
    with pytest.raises(FeatureError, match=r"prediction log lack columns \['feature__amount'\]"):
        compare(LOGGED.drop("feature__amount"), OFFLINE, CASE)
