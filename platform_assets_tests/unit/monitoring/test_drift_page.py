"""The drift report: every column is listed, the worst first, with its values and its trend; Evidently's report beside it for who asks."""

import json
import math
import re
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from platform_assets.lake.schemas import VERDICT_SCHEMA
from platform_assets.monitoring.drift import DriftLimits, DriftResult, drift_report
from platform_assets.monitoring.drift_report.history import DriftWindow, earlier_windows
from platform_assets.monitoring.drift_report.page import ReportedWindow, drift_page, write_drift_report
from platform_assets.monitoring.evidently_report import ReportError, evidently_report
from platform_assets.monitoring.latency import ServiceDay
from platform_assets.monitoring.plots import plot_drift, plot_latency, plot_quality
from platform_assets_tests.sound_page import assert_is_sound

LIMITS = DriftLimits(max_ks=0.05, max_psi=0.2, min_rows=200)
ROWS = 400
DAY = date(2024, 3, 8)
PNG = b"\x89PNG"


def frames() -> tuple[pl.DataFrame, pl.DataFrame]:
    """A reference, and a window with one column of every kind that Evidently cannot take."""
    random = np.random.default_rng(0)
    reference = pl.DataFrame(
        {
            **{
                name: random.normal(size=ROWS)
                for name in ("fine", "moved", "gone", "nan", "null", "infinite", "text", "stuck")
            },
            "same": np.zeros(ROWS),
            "zeros": np.where(random.random(ROWS) < 0.9, 0.0, 1.0),
            "carrier": random.choice(["van", "bike"], ROWS),
            "sparse": [float(i) if i < 5 else None for i in range(ROWS)],
            "<b>odd</b>": random.normal(size=ROWS),
        }
    )
    current = reference.drop("gone").with_columns(
        moved=pl.col("moved") + 3,
        nan=pl.lit(math.nan),
        null=pl.lit(None, pl.Float64),
        infinite=pl.when(pl.int_range(pl.len()) == 0).then(math.inf).otherwise("infinite"),
        text=pl.col("text").cast(pl.String),
        stuck=pl.lit(1.0),
        carrier=pl.col("carrier").replace("bike", "tram"),
    )
    return reference, current


def reported(current: pl.DataFrame | None = None, history: tuple[DriftWindow, ...] = ()) -> ReportedWindow:
    reference, moved = frames()
    now = moved if current is None else current
    result = drift_report(reference, now, reference.columns, LIMITS)
    return ReportedWindow(
        "parcels", date(2024, 3, 2), DAY, "7", result, reference, now, history, [("Card", "card.html")]
    )


def stored(result: DriftResult, day: date) -> dict[str, object]:
    """A row of the table of verdicts."""
    found = {"status": result.status, "passed": result.passed, "causes": [], "model_version": "7"}
    return {**found, "result": json.dumps(result.to_dict(), default=str), "event_day": day}


def windows(days: int) -> tuple[DriftWindow, ...]:
    reference, moved = frames()
    results = [drift_report(reference, one, reference.columns, LIMITS) for one in (reference, moved)]
    rows = [stored(results[one % 3 == 2], DAY - timedelta(days=days - one)) for one in range(days)]
    return earlier_windows(pl.DataFrame(rows, schema=VERDICT_SCHEMA), DAY)


def in_order(page: str) -> list[str]:
    """Names of the columns as they stand on the page."""
    return re.findall(r"<summary><b>(.*?)</b>", page)


def test_the_page_lists_every_column_the_worst_first_and_draws_those_that_can_be_drawn(tmp_path: Path) -> None:
    window = reported()
    page = write_drift_report(window, tmp_path / "new" / "drift.html").read_text()
    assert_is_sound(page)
    names = in_order(page)
    assert set(names) == {*window.reference.columns} - {"<b>odd</b>"} | {"&lt;b&gt;odd&lt;/b&gt;"}
    broken = {"gone", "nan", "null", "infinite", "text", "stuck"}
    assert set(names[: len(broken)]) == broken
    assert set(names[len(broken) : len(broken) + 2]) == {"moved", "carrier"}
    shares = {one.column: one.limit_share for one in window.result.columns}
    assert shares[names[len(broken)]] >= shares[names[len(broken) + 1]]
    assert page.count('class="was"') >= 5
    assert "parcels: drift up to 2024-03-08" in page
    assert "400 predictions of 2024-03-02 .. 2024-03-08, most by model version 7, against 400 rows" in page
    assert 'href="card.html"' in page
    assert "Repair the column where it comes from" in page


def test_a_column_has_one_ks_and_it_is_the_one_that_decided() -> None:
    window = reported()
    [moved] = [one for one in window.result.columns if one.column == "moved"]
    page = drift_page(window)
    [section] = re.findall(r'id="column-moved".*?</details>', page, re.S)
    assert moved.ks is not None
    said = {float(one) for one in re.findall(r"KS (\d\.?\d*)", section)}
    assert all(one == pytest.approx(moved.ks, abs=0.0006) for one in said), said
    assert moved.limit_share is not None
    assert f"({moved.limit_share:.3g} ×)" in section


def test_a_window_that_is_fine_shows_nothing_red() -> None:
    reference, _ = frames()
    page = drift_page(reported(reference.select("fine", "zeros", "carrier")))
    fine = ReportedWindow(
        "parcels", DAY, DAY, "7", drift_report(reference, reference, ["fine", "carrier"], LIMITS), reference, reference
    )
    page = drift_page(fine)
    body = page.split("</style>")[1]
    assert "within limits" in body
    assert "There is nothing to do." in body
    for red in ('class="bad"', "pill bad", "bad-text", "column moved"):
        assert red not in body
    assert body.count(" open>") == 0, "nothing asks to be looked at"


def test_windows_before_are_shown_with_the_trend_of_each_column() -> None:
    history = windows(12)
    assert [one.day for one in history] == sorted(one.day for one in history)
    assert [one.failed == 0 for one in history[:3]] == [True, True, False]
    page = drift_page(reported(history=history))
    assert_is_sound(page)
    assert "The windows before" in page
    assert "columns that did not pass in each of 13 windows: 0, 0, 8" in page
    [section] = re.findall(r'id="column-moved".*?</details>', page, re.S)
    assert "in limits over 13 windows" in section
    assert section.count('<rect class="bad"') == 5, "a square for each window past the limit"


def test_the_page_is_small_whatever_the_traffic_and_the_number_of_columns() -> None:
    rng = np.random.default_rng(0)
    names = [f"feature__number_{one}" for one in range(120)]
    frame = pl.DataFrame({name: rng.lognormal(size=60_000) for name in names[:10]})
    frame = frame.with_columns(pl.col(names[0]).alias(name) for name in names[10:])
    result = drift_report(frame.head(2_000), frame.tail(2_000), names, LIMITS)
    window = DriftWindow(DAY - timedelta(days=1), "ok", 0, 120, dict.fromkeys(names, 0.5), "7")
    history = tuple(replace(window, day=DAY - timedelta(days=30 - one)) for one in range(29))
    page = drift_page(ReportedWindow("parcels", DAY, DAY, "7", result, frame, frame, history))
    assert len(page.encode()) < 500_000
    assert "a seeded sample of 50,000 rows" in page
    assert "feature__" not in page.split("</style>")[1]


@pytest.mark.parametrize(
    "current", [pl.DataFrame({"a": [1.0]}), pl.DataFrame({"a": []}, schema={"a": pl.Float64}), pl.DataFrame()]
)
def test_a_window_that_cannot_be_drawn_still_gets_its_page(current: pl.DataFrame) -> None:
    reference = pl.DataFrame({"a": np.arange(300.0)})
    result = drift_report(reference, current, ["a"], LIMITS)
    page = drift_page(ReportedWindow("parcels", DAY, DAY, "", result, reference, current))
    assert_is_sound(page)
    assert in_order(page) == ["a"]
    assert not result.passed
    assert_is_sound(
        drift_page(
            ReportedWindow("parcels", DAY, DAY, "", drift_report(current, current, [], LIMITS), current, current)
        )
    )


def test_evidently_reports_on_the_columns_that_it_can_take_with_our_statistic(tmp_path: Path) -> None:
    window = reported()
    page = evidently_report(
        window.reference, window.current, window.result, tmp_path / "new" / "evidently.html"
    ).read_text()
    assert "Kolmogorov-Smirnov statistic" in page
    assert not re.search(r'<(script|link|img)[^>]+(src|href)="https?:', page), "the page has to work without a network"
    nothing = pl.DataFrame({"a": [None]}, schema={"a": pl.Float64})
    with pytest.raises(ReportError, match="Evidently can draw none of 1 columns"):
        evidently_report(nothing, nothing, drift_report(nothing, nothing, ["a"], LIMITS), tmp_path / "none.html")


def test_plots_are_pictures_and_the_same_for_the_same_result() -> None:
    reference, current = frames()
    result = drift_report(reference, current, reference.columns, LIMITS)
    assert plot_drift(result).startswith(PNG)
    assert plot_drift(result) == plot_drift(result)
    assert plot_drift(drift_report(reference, current, [], LIMITS)).startswith(PNG)
    by_day = pl.DataFrame(
        {"event_day": [date(2024, 3, 1), date(2024, 3, 2)], "labelled_rows": [5, 5], "value": [0.8, None]}
    )
    assert plot_quality(by_day, "auc_roc", 0.7).startswith(PNG)
    assert plot_quality(by_day.clear(), "auc_roc", None).startswith(PNG)
    day = ServiceDay(date(2024, 3, 1), 10, 1.0, 2.0, 3.0, 4.0, {}, 0.0, {}, {"1": 1.0})
    assert plot_latency([day]).startswith(PNG)
