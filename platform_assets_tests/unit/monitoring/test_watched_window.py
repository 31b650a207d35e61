"""One window of the prediction log against its reference."""

from collections.abc import Callable
from datetime import date
from typing import Any

import numpy as np
import polars as pl
import pytest

from platform_assets.declaration.use_case import UseCase
from platform_assets.monitoring.watched_window import reference_frame, watch_window

MakeLog = Callable[..., pl.DataFrame]
RANDOM = np.random.default_rng(0)
ROWS = 1400


def features(rows: int) -> dict[str, np.ndarray]:
    return {"weight": RANDOM.lognormal(size=rows), "is_heavy": (RANDOM.random(rows) < 0.3).astype(float)}


@pytest.fixture(scope="module")
def reference(use_case: UseCase) -> pl.DataFrame:
    days = [date(2024, 2, 19 + i % 7) for i in range(ROWS)]
    rows = pl.DataFrame({"event_day": days, **features(ROWS)})
    return reference_frame(rows, use_case, pl.Series(RANDOM.beta(1, 9, ROWS)))


def log_of(make_log: MakeLog, rows: int, days: int, **columns: Any) -> pl.DataFrame:
    named = {f"feature__{name}": values for name, values in features(rows).items()}
    return make_log(RANDOM.beta(1, 9, rows), days=days, **(named | columns))


def test_a_week_like_the_reference_is_fine(use_case: UseCase, reference: pl.DataFrame, make_log: MakeLog) -> None:
    log = log_of(make_log, ROWS * 2, 14)
    window = watch_window(log, reference, use_case, date(2024, 3, 8))
    assert (window.first_day, window.last_day) == (date(2024, 3, 2), date(2024, 3, 8))
    assert window.current["event_day"].unique().sort().to_list() == [date(2024, 3, day) for day in range(2, 9)]
    assert window.result.passed
    assert [verdict.column for verdict in window.result.columns] == ["score", "feature__weight", "feature__is_heavy"]


def test_a_weekend_alone_is_compared_with_weekends(
    use_case: UseCase, reference: pl.DataFrame, make_log: MakeLog
) -> None:
    calendar = reference.with_columns(feature__is_heavy=(pl.col("event_day").dt.weekday() >= 6).cast(pl.Float64))
    log = log_of(make_log, 600, 3)
    weekend = log.filter(pl.col("event_day") >= date(2024, 3, 2)).with_columns(feature__is_heavy=pl.lit(1.0))
    window = watch_window(weekend, calendar, use_case, date(2024, 3, 3))
    assert window.result.passed
    assert window.reference.height == ROWS * 2 // 7


def test_other_contracts_and_other_versions_are_left_out(
    use_case: UseCase, reference: pl.DataFrame, make_log: MakeLog
) -> None:
    log = log_of(make_log, ROWS, 7)
    other = log.with_columns(feature__weight=pl.lit(None, pl.Float64), feature_contract=pl.lit("another"))
    new = log.with_columns(score=pl.col("score") * 5, model_version=pl.lit("2"))
    assert watch_window(pl.concat([log, other]), reference, use_case, date(2024, 3, 7)).result.passed
    both = pl.concat([log, new])
    assert watch_window(both, reference, use_case, date(2024, 3, 7)).result.status == "drift"
    assert watch_window(both, reference, use_case, date(2024, 3, 7), model_versions=["1"]).result.passed


def test_a_window_without_traffic_has_no_verdict_and_does_not_pass(
    use_case: UseCase, reference: pl.DataFrame, make_log: MakeLog
) -> None:
    window = watch_window(log_of(make_log, 500, 1), reference, use_case, date(2024, 5, 1))
    assert window.result.status == "no_verdict"
    assert not window.result.passed


def test_a_reference_without_scores_watches_the_features_only(
    use_case: UseCase, reference: pl.DataFrame, make_log: MakeLog
) -> None:
    window = watch_window(log_of(make_log, ROWS, 7), reference.drop("score"), use_case, date(2024, 3, 7))
    assert [verdict.column for verdict in window.result.columns] == ["feature__weight", "feature__is_heavy"]


def test_predictions_made_without_the_online_store_are_left_out(
    use_case: UseCase, reference: pl.DataFrame, make_log: MakeLog
) -> None:
    log = log_of(make_log, ROWS, 7)
    away = log.with_columns(fallback=pl.lit("store unreachable"), feature__weight=pl.lit(None, pl.Float64))
    window = watch_window(pl.concat([log, away]), reference, use_case, date(2024, 3, 7))
    assert window.current.height == ROWS
    assert window.result.passed
