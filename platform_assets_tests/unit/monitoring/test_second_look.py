"""What moved and asks for no new model: last bits, the calendar, days that were learned, what a replayed panel leaves out."""

from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest
from pydantic import ValidationError

from platform_assets.declaration.contract import feature_contract_hash
from platform_assets.declaration.prediction_log import prediction_log_schema
from platform_assets.declaration.use_case import UseCase
from platform_assets.monitoring.drift import DriftLimits, DriftResult, column_verdict
from platform_assets.monitoring.drift_statistics import FloatArray, without_last_bits
from platform_assets.monitoring.retrain_verdict import window_verdict
from platform_assets.monitoring.second_look import KnownRows, same_season
from platform_assets.monitoring.watched_window import WatchedWindow, watch_window

LIMITS = DriftLimits(max_ks=0.05, max_psi=0.2, min_rows=200)
RANDOM = np.random.default_rng(5)
PRICES = np.array([4.99, 9.99, 19.95, 49.9])
FIRST = date(2024, 3, 4)


def as_float32(values: FloatArray) -> FloatArray:
    return values.astype(np.float32).astype(np.float64)


@pytest.mark.parametrize(
    ("before", "now"),
    [
        (PRICES, as_float32(PRICES)),
        (as_float32(PRICES), PRICES),
        (np.concatenate([PRICES, as_float32(PRICES)]), PRICES),
        (np.array([0.1 + 0.2, 0.3, 0.7]), np.array([0.3, 0.3, 0.7])),
        (np.array([19.9]), as_float32(np.array([19.9]))),
        (-PRICES * 1e3, as_float32(-PRICES * 1e3)),
    ],
)
def test_the_last_bits_are_no_drift(before: FloatArray, now: FloatArray) -> None:
    sides = (pl.Series(np.resize(values, 1200)) for values in (before, now))
    verdict = column_verdict("price", *sides, LIMITS)
    assert verdict.passed, verdict.explanation
    assert verdict.psi == pytest.approx(0, abs=1e-3)


def test_what_differs_by_more_stays_a_difference() -> None:
    numbers = np.resize(np.arange(10.0), 1000)
    before, now = without_last_bits(1.7e9 + numbers, 1.7e9 + numbers + 20)
    assert not column_verdict("seconds", pl.Series(before), pl.Series(now), LIMITS).passed
    cents = column_verdict(
        "price", pl.Series(np.resize(PRICES, 1000)), pl.Series(np.resize(PRICES + 0.01, 1000)), LIMITS
    )
    assert cents.status == "drift"
    smooth = RANDOM.normal(size=500)
    assert without_last_bits(smooth, smooth + 1e-9)[1] is not smooth
    assert np.array_equal(without_last_bits(smooth, smooth + 1e-9)[1], smooth + 1e-9)


@pytest.fixture
def declare(use_case: UseCase) -> Callable[..., UseCase]:
    """The small requirement with a feature of the event time, and more in `monitoring`."""

    def make(**monitoring: Any) -> UseCase:
        content = use_case.model_dump(mode="json")
        month = {"name": "month", "expression": "EXTRACT(MONTH FROM shipped_at)", "description": "Month"}
        content["features"][0]["rows"].append(month)
        content["monitoring"] |= monitoring
        return UseCase.model_validate(content)

    return make


def rows_of(use_case: UseCase, first: date, days: int, rows: int = 1400, **columns: Any) -> pl.DataFrame:
    """Rows of a prediction log, or of a reference, on some days."""
    day = [first + timedelta(days=i * days // rows) for i in range(rows)]
    values: dict[str, Any] = {
        "event_day": day,
        "score": RANDOM.beta(1, 9, rows),
        "model_version": "1",
        "feature_contract": feature_contract_hash(use_case),
        "feature__weight": RANDOM.lognormal(size=rows),
        "feature__is_heavy": (RANDOM.random(rows) < 0.3).astype(float),
        "feature__month": [float(each.month) for each in day],
    }
    frame = pl.DataFrame(values | columns)
    schema = prediction_log_schema(use_case)
    missing = [pl.lit(None, dtype=dtype).alias(name) for name, dtype in schema.items() if name not in frame.columns]
    return frame.with_columns(missing)


def status(window: WatchedWindow) -> dict[str, str]:
    return status_of(window.result)


def status_of(result: DriftResult) -> dict[str, str]:
    return {verdict.column.removeprefix("feature__"): verdict.status for verdict in result.columns}


def test_a_calendar_column_that_stands_still_in_a_short_window_is_not_stuck(declare: Callable[..., UseCase]) -> None:
    use_case = declare()
    log = rows_of(use_case, FIRST, 7)
    window = watch_window(log, rows_of(use_case, date(2024, 1, 8), 21), use_case, FIRST + timedelta(days=6))
    assert status(window)["month"] == "ok"
    assert window.result.passed
    [month] = [verdict for verdict in window.result.columns if verdict.column == "feature__month"]
    assert "follows the calendar" in month.explanation
    stuck = log.with_columns(feature__weight=pl.lit(1.0))
    assert (
        status(watch_window(stuck, rows_of(use_case, date(2024, 1, 8), 21), use_case, FIRST + timedelta(days=6)))[
            "weight"
        ]
        == "degenerate"
    )


def weather(use_case: UseCase, first: date, days: int, warmer: float = 0.0, rows: int = 1400) -> pl.DataFrame:
    """Rows whose weight is a temperature with a season."""
    frame = rows_of(use_case, first, days, rows)
    phase = frame["event_day"].dt.ordinal_day().to_numpy() / 365.25 * 2 * np.pi
    return frame.with_columns(feature__weight=10 - 10 * np.cos(phase) + RANDOM.normal(0, 1, rows) + warmer)


def test_a_seasonal_column_is_compared_with_its_season(declare: Callable[..., UseCase]) -> None:
    plain, seasonal = declare(), declare(columns={"weight": {"seasonal": True}})
    last = FIRST + timedelta(days=6)
    winter, now = weather(plain, date(2024, 1, 8), 21), weather(plain, FIRST, 7)
    assert status(watch_window(now, winter, plain, last))["weight"] == "drift"
    unjudged = watch_window(now, winter, seasonal, last).result
    assert [verdict.column for verdict in unjudged.failed_columns] == ["feature__weight"], (
        "no rows of another March are known: nobody can say that it is as it should be"
    )
    assert (status_of(unjudged)["weight"], unjudged.status) == ("too_few_rows", "no_verdict")
    assert not window_verdict(last, unjudged, None).violated, "nor that a new model would help"
    years = weather(plain, date(2022, 12, 1), 460, rows=20000)
    known = lambda: KnownRows(history=years)  # noqa: E731
    window = watch_window(now, winter, seasonal, last, known=known)
    assert status(window)["weight"] == "ok"
    [weight] = [verdict for verdict in window.result.columns if verdict.column == "feature__weight"]
    assert weight.explanation.startswith("against the same season of other years")
    hot = weather(plain, FIRST, 7, warmer=15)
    assert status(watch_window(hot, winter, seasonal, last, known=known))["weight"] == "drift"


def test_a_score_that_follows_the_season_is_no_drift_and_one_that_moves_by_itself_is(
    declare: Callable[..., UseCase],
) -> None:
    use_case, last = declare(columns={"weight": {"seasonal": True}}), FIRST + timedelta(days=6)
    demand = pl.col("feature__weight").alias("score")
    winter, now = weather(use_case, date(2024, 1, 8), 21).with_columns(demand), weather(use_case, FIRST, 7)
    alone = watch_window(now.with_columns(demand), winter, use_case, last).result
    assert {verdict.column: verdict.status for verdict in alone.failed_columns} == {
        "score": "too_few_rows",
        "feature__weight": "too_few_rows",
    }
    assert not window_verdict(last, alone, None).violated
    moved = now.with_columns(demand, pl.Series("feature__is_heavy", (RANDOM.random(1400) < 0.7).astype(float)))
    assert status(watch_window(moved, winter, use_case, last))["score"] == "drift", (
        "a feature moved that nothing explains"
    )
    same = weather(use_case, date(2024, 2, 26), 7).with_columns(feature__month=pl.lit(3.0))
    alone = status(
        watch_window(now.with_columns(demand + 5), same.with_columns(demand), declare(max_ks=0.5, max_psi=3), last)
    )
    assert (alone["weight"], alone["score"]) == ("ok", "drift")


def test_a_month_that_changed_explains_no_score(declare: Callable[..., UseCase]) -> None:
    use_case, last = declare(), FIRST + timedelta(days=6)
    now = rows_of(use_case, FIRST, 7, score=RANDOM.beta(9, 3, 1400))
    found = status(watch_window(now, rows_of(use_case, date(2024, 2, 5), 7), use_case, last))
    assert (found["month"], found["score"]) == ("ok", "drift")


def test_rows_of_the_same_season() -> None:
    history = pl.DataFrame({"event_day": pl.date_range(date(2021, 1, 1), date(2024, 3, 10), eager=True)})
    found = same_season(history, pl.DataFrame({"event_day": [date(2024, 3, 4), date(2024, 3, 10)]}))["event_day"]
    assert found.dt.year().unique().sort().to_list() == [2021, 2022, 2023]
    assert set(found.dt.month().unique()) == {2, 3}
    assert same_season(history, history.clear()).is_empty()


def test_a_model_that_learned_the_drift_is_not_asked_for_again(declare: Callable[..., UseCase]) -> None:
    use_case, last = declare(), FIRST + timedelta(days=6)
    before = rows_of(use_case, date(2024, 2, 5), 7)
    moved = {"feature__weight": RANDOM.lognormal(1, size=1400), "score": RANDOM.beta(3, 9, 1400)}
    now = rows_of(use_case, FIRST, 7, **moved)
    assert status(watch_window(now, before, use_case, last)) | {"month": "-"} == {
        "score": "drift",
        "weight": "drift",
        "is_heavy": "ok",
        "month": "-",
    }
    learned = rows_of(use_case, date(2024, 2, 12), 14, feature__weight=RANDOM.lognormal(1, size=1400)).drop("score")
    known = KnownRows(learned=learned)
    assert watch_window(now, before, use_case, last, known=lambda: known).result.passed
    unlearned = rows_of(use_case, date(2024, 2, 26), 7, score=RANDOM.beta(3, 9, 1400))
    window = watch_window(now, before, use_case, last, known=lambda: KnownRows(learned=learned, unlearned=unlearned))
    assert window.result.passed
    odd = now.with_columns(score=pl.Series(RANDOM.beta(9, 3, 1400)))
    later = watch_window(odd, before, use_case, last, known=lambda: KnownRows(learned=learned, unlearned=unlearned))
    assert status(later)["score"] == "drift", "the score moved away from what the new model answered before it served"
    further = now.with_columns(feature__weight=pl.Series(RANDOM.lognormal(3, size=1400)))
    assert status(watch_window(further, before, use_case, last, known=lambda: known))["weight"] == "drift"


def test_the_score_alone_is_judged_as_before(declare: Callable[..., UseCase]) -> None:
    use_case, last = declare(), FIRST + timedelta(days=6)
    before, learned = rows_of(use_case, date(2024, 2, 5), 7), rows_of(use_case, date(2024, 2, 12), 14).drop("score")
    now = rows_of(use_case, FIRST, 7, score=RANDOM.beta(9, 3, 1400), feature__month=2.0)
    window = watch_window(now, before, use_case, last, known=lambda: KnownRows(learned=learned))
    assert status(window)["score"] == "drift"


def test_columns_have_limits_of_their_own_or_are_left_out(declare: Callable[..., UseCase]) -> None:
    last = FIRST + timedelta(days=6)
    plain = declare()
    before, now = (
        rows_of(plain, date(2024, 2, 5), 7),
        rows_of(plain, FIRST, 7, feature__weight=RANDOM.lognormal(0.4, size=1400)),
    )
    assert status(watch_window(now, before, plain, last))["weight"] == "drift"
    wide = declare(columns={"weight": {"max_ks": 0.5, "max_psi": 3}})
    assert status(watch_window(now, before, wide, last))["weight"] == "ok"
    without = declare(columns={"weight": {"watched": False, "why": "changes with each tariff"}})
    assert "weight" not in status(watch_window(now, before, without, last))
    narrow = declare(columns={"is_heavy": {"max_psi": 0.00001}, "score": {"watched": False, "why": "x"}})
    assert "score" not in status(watch_window(now, before, narrow, last))


def test_columns_that_do_not_exist_or_are_left_out_without_a_reason(declare: Callable[..., UseCase]) -> None:
    with pytest.raises(ValidationError) as refused:
        declare(columns={"wait": {}, "weight": {"watched": False}}, bounds={"rmse": 1})
    assert [".".join(map(str, error["loc"])) for error in refused.value.errors()] == [
        "monitoring.columns.wait",
        "monitoring.columns.weight.why",
        "monitoring.bounds.rmse",
    ]


def test_what_a_replayed_panel_leaves_out_is_no_drift(use_case: UseCase) -> None:
    content = use_case.model_dump(mode="json")
    content["entities"] = [{"name": "carrier", "description": "x", "key": "carrier"}]
    window = {"name": "n", "description": "x", "aggregate": "count", "lengths_days": [7]}
    content["features"].append({"name": "of_carrier", "description": "x", "entity": "carrier", "windows": [window]})
    panel = UseCase.model_validate(content)
    last, names = FIRST + timedelta(days=6), [f"c{n % 8}" for n in range(1400)]
    weights = pl.DataFrame({"carrier": names}).select(w=pl.col("carrier").str.tail(1).cast(pl.Float64) * 10)["w"]
    own = {"feature__month": None, "carrier": names, "feature__weight": weights + RANDOM.normal(size=1400)}
    columns = {name: RANDOM.normal(size=1400) for name in panel.feature_names if name.startswith("n")}
    logged = {f"feature__{name}": values for name, values in columns.items()}
    before = rows_of(panel, date(2024, 2, 5), 7, **own, **logged)
    now = rows_of(panel, FIRST, 7, **own, **logged)
    some = now.filter(pl.col("carrier").is_in(["c1", "c6"]))
    assert some.height > LIMITS.min_rows
    assert watch_window(some, before, panel, last).result.passed
    assert status(watch_window(now, before, panel, last))["weight"] == "ok"
    moved = now.with_columns(pl.col("feature__weight") + 40)
    assert status(watch_window(moved, before, panel, last))["weight"] == "drift", "nobody is left out: that is drift"


def test_a_model_that_learned_the_drift_in_its_last_days_is_not_asked_for_again(
    declare: Callable[..., UseCase],
) -> None:
    use_case, last = declare(), FIRST + timedelta(days=6)
    before, usual = (rows_of(use_case, date(2024, 2, day), 7).drop("score") for day in (5, 12))
    moved = rows_of(use_case, date(2024, 2, 26), 7, feature__weight=RANDOM.lognormal(1, size=1400)).drop("score")
    now = rows_of(use_case, FIRST, 7, feature__weight=RANDOM.lognormal(1, size=1400)).drop("score")
    for learned, expected in ((usual, "drift"), (pl.concat([usual, usual, moved]), "ok")):
        known = KnownRows(learned=learned)
        window = watch_window(now, before, use_case, last, known=lambda known=known: known)  # type: ignore[misc]
        assert status(window)["weight"] == expected
