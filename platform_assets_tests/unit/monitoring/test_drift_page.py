"""The drift page: every column is listed, and those that can be drawn are."""

import math
import re
from datetime import date
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from platform_assets.monitoring.drift import DriftLimits, drift_report
from platform_assets.monitoring.drift_page import evidently_report
from platform_assets.monitoring.latency import ServiceDay
from platform_assets.monitoring.plots import plot_drift, plot_latency, plot_quality

LIMITS = DriftLimits(max_ks=0.05, max_psi=0.2, min_rows=200)
ROWS = 400
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


def test_the_page_lists_every_column_and_draws_those_that_can_be_drawn(tmp_path: Path) -> None:
    reference, current = frames()
    result = drift_report(reference, current, reference.columns, LIMITS)
    path = evidently_report(reference, current, result, tmp_path / "new" / "drift.html", "Parcels, 2024-03-08")
    page = path.read_text()
    rows = dict(re.findall(r"<tr><td>(.*?)</td>.*?<td>(yes|no)</td></tr>", page))
    assert set(rows) == {*reference.columns} - {"<b>odd</b>"} | {"&lt;b&gt;odd&lt;/b&gt;"}
    drawn = {name for name, answer in rows.items() if answer == "yes"}
    assert drawn == {"fine", "moved", "zeros", "carrier", "&lt;b&gt;odd&lt;/b&gt;"}
    assert 'Status <b class="failed">broken</b>' in page
    assert "Parcels, 2024-03-08" in page
    assert "Kolmogorov-Smirnov statistic" in page
    assert not re.search(r'<(script|link|img)[^>]+(src|href)="https?:', page), "the page has to work without a network"


@pytest.mark.parametrize(
    "current", [pl.DataFrame({"a": [1.0]}), pl.DataFrame({"a": []}, schema={"a": pl.Float64}), pl.DataFrame()]
)
def test_a_window_that_cannot_be_drawn_still_gets_its_page(tmp_path: Path, current: pl.DataFrame) -> None:
    reference = pl.DataFrame({"a": np.arange(300.0)})
    result = drift_report(reference, current, ["a"], LIMITS)
    page = evidently_report(reference, current, result, tmp_path / "drift.html").read_text()
    assert page.startswith("<!DOCTYPE html>")
    assert "<td>a</td>" in page
    assert not result.passed


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
