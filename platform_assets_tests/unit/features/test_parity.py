"""Parity: every planted difference between log and offline values is counted and named."""

from datetime import timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest

from platform_assets.declaration.contract import feature_contract_hash
from platform_assets.declaration.prediction_log import FEATURE_PREFIX
from platform_assets.features.consistency.parity import compare, parity_verdict
from platform_assets.features.errors import FeatureError, PointInTimeError
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


CONTRACT = feature_contract_hash(CASE)
LOG = LOGGED.with_columns(feature_contract=pl.lit(CONTRACT), fallback=pl.lit(None, pl.String))
TODAY = OFFLINE.with_columns(LOGGED["paid_at"], LOGGED["card_id"], LOGGED["shop_id"])


def never(rows: pl.DataFrame) -> pl.DataFrame:
    raise AssertionError("nothing differs, so nothing is replayed")


def as_offline(rows: pl.DataFrame) -> pl.DataFrame:
    """What was known then is what is known today."""
    return rows.select("payment_id").join(OFFLINE, on="payment_id", how="left", maintain_order="left")


def changed(frame: pl.DataFrame, name: str, row: int, value: Any) -> pl.DataFrame:
    new = pl.when(pl.col("payment_id") == row).then(pl.lit(value, frame.schema[name])).otherwise(pl.col(name))
    return frame.with_columns(new.alias(name))


def test_equal_predictions_pass_without_a_replay() -> None:
    verdict = parity_verdict(LOG, TODAY, CASE, never)
    assert (verdict.status, verdict.passed, verdict.predictions, verdict.mismatches) == ("equal", True, ROWS, ())


def test_a_value_that_a_late_row_changed_since_is_equal_as_known_then() -> None:
    today = changed(TODAY, "card_sum_3d", 2, 99.0)
    verdict = parity_verdict(LOG, today, CASE, as_offline)
    assert (verdict.status, verdict.passed, verdict.as_known, verdict.unequal) == ("equal as known then", True, 1, 0)
    assert "1 of them from what was known when they were scored" in verdict.explanation


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("shop_count_3d", float(np.nextafter(3.3000000000000003, np.inf))),
        ("card_mean_3d", None),
        ("card_mean_3d", 0.0),
        ("is_night", 0.0),
        ("amount", 1.1 * 3 * (1 + 2e-9)),
    ],
)
def test_a_value_that_equals_neither_is_named_with_both(name: str, value: float | None) -> None:
    log = changed(LOG, FEATURE_PREFIX + name, 2, value)
    verdict = parity_verdict(log, TODAY, CASE, as_offline)
    assert (verdict.status, verdict.passed, verdict.unequal, verdict.by_feature) == ("unequal", False, 1, {name: 1})
    (mismatch,) = verdict.mismatches
    assert (mismatch.feature, mismatch.key, mismatch.time) == (name, {"payment_id": 2}, MIDNIGHT + timedelta(hours=2))
    assert (mismatch.logged, mismatch.offline) == (value, OFFLINE[name][2])
    assert name in verdict.explanation
    assert f"logged {value!r}, offline {OFFLINE[name][2]!r}" in verdict.explanation


def test_a_row_expression_may_round_in_another_way() -> None:
    value = float(np.nextafter(OFFLINE["amount_to_mean"][2], np.inf))
    assert (
        parity_verdict(changed(LOG, FEATURE_PREFIX + "amount_to_mean", 2, value), TODAY, CASE, never).status == "equal"
    )


def test_an_event_in_another_time_zone_or_of_another_entity_is_named_even_if_its_features_fit() -> None:
    shifted = changed(LOG, "paid_at", 1, MIDNIGHT + timedelta(hours=3))
    verdict = parity_verdict(shifted, TODAY, CASE, as_offline)
    assert verdict.by_feature == {"paid_at": 1}
    assert str(verdict.mismatches[0]).startswith("paid_at of payment_id=1 at 2024-02-26T03:00:00+00:00: logged")
    other = parity_verdict(changed(LOG, "card_id", 1, 77), TODAY, CASE, as_offline)
    assert other.by_feature == {"card_id": 1}
    assert (other.mismatches[0].logged, other.mismatches[0].offline) == (77, 11)


def test_an_event_that_no_feature_table_has_is_replayed() -> None:
    today = TODAY.filter(pl.col("payment_id") != 4)
    assert parity_verdict(LOG, today, CASE, as_offline).status == "equal as known then"
    wrong = parity_verdict(changed(LOG, FEATURE_PREFIX + "card_sum_1d", 4, 1.0), today, CASE, as_offline)
    assert wrong.by_feature == {"card_sum_1d": 1}
    assert (wrong.mismatches[0].logged, wrong.mismatches[0].offline) == (1.0, OFFLINE["card_sum_1d"][4])


def test_predictions_of_another_contract_or_by_fallback_are_counted_and_not_compared() -> None:
    log = changed(changed(LOG, "feature_contract", 0, "old"), FEATURE_PREFIX + "card_sum_1d", 0, None)
    verdict = parity_verdict(log, TODAY, CASE, never)
    assert (verdict.passed, verdict.predictions, verdict.not_comparable) == (True, ROWS - 1, 1)
    without_store = changed(LOG, "fallback", 1, "store unreachable")
    assert parity_verdict(without_store, TODAY, CASE, never).not_comparable == 1
    none = parity_verdict(LOG.head(0), TODAY.head(0), CASE, never)
    assert (none.status, none.passed, none.explanation) == ("nothing to compare", True, "no predictions yet")
