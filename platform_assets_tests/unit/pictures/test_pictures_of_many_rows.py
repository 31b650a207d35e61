"""Rows per day, drift and calibration of five rows, of thousands and of millions: round ticks, no word on another, bounded bytes."""

import warnings
from collections.abc import Iterator
from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest

from platform_assets.monitoring.drift import DriftLimits, drift_report
from platform_assets.monitoring.drift_report.charts import distribution_chart
from platform_assets.monitoring.drift_report.distributions import distribution
from platform_assets.monitoring.drift_report.page import DRAWN_ROWS
from platform_assets.monitoring.plots import drift_figure
from platform_assets.monitoring.use_case_page.charts import chart
from platform_assets.monitoring.use_case_page.state import SeriesPoint, StateSeries
from platform_assets.pictures.figures import new_figure, png, svg_address
from platform_assets.pictures.palette import BLUE
from platform_assets.tasks.reliability_plot import draw_reliability, draw_scores
from platform_assets.validation.panels import png_of
from platform_assets.validation.plots import volume_figure

from .reading import beyond_the_edge, cut_or_overlapping, overlapping, words

FIRST = date(2018, 4, 1)
ROWS = (5, 5_000, 5_000_000)
MOST_BYTES = 120_000
LIMITS = DriftLimits(max_ks=0.05, max_psi=0.2, min_rows=5)


@pytest.fixture(autouse=True)
def _no_warnings() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


@pytest.mark.parametrize("days", [1, 5, 183, 3_000])
@pytest.mark.parametrize("rows", ROWS)
def test_rows_per_day_are_readable(rows: int, days: int) -> None:
    rng = np.random.default_rng(0)
    share, rest = divmod(rows, days)
    counts = {FIRST + timedelta(days=one): share + (one < rest) for one in range(days)}
    refused = {day: int(rng.integers(0, count + 1) > 0.9 * count) for day, count in counts.items() if count}
    figure = volume_figure(counts, refused)
    assert not overlapping(figure)
    assert not beyond_the_edge(figure)
    found = words(figure)
    assert any(word.startswith(f"{rows:,} rows on {days} days") for word in found)
    assert f"{FIRST}" in found
    assert not [word for word in found if word.replace(".", "").isdigit() and len(word) > 4], "thousands stand apart"
    assert len(png_of(figure)) < MOST_BYTES


@pytest.mark.parametrize("rows", ROWS)
def test_rows_per_day_on_the_page_of_a_use_case_are_readable(rows: int) -> None:
    points = tuple(SeriesPoint(day=FIRST + timedelta(days=one), value=rows + one) for one in range(183))
    picture = chart([StateSeries(name="rows", title="Rows of a day", unit="count", points=points, chart="Rows")])
    assert cut_or_overlapping(picture) == []
    assert f"{rows + 182:,}" in picture
    assert len(picture) < MOST_BYTES


def sides(rows: int) -> tuple[pl.DataFrame, pl.DataFrame]:
    """A reference, and as many rows of which some columns have moved."""
    rng = np.random.default_rng(0)
    names = np.array([f"a long name of a kind of shop, number {one}" for one in range(12)])
    before = pl.DataFrame(
        {
            "amount": rng.lognormal(3.0, 1.6, rows),
            "count": rng.poisson(3.0, rows),
            "flag": np.where(rng.random(rows) < 0.95, 0.0, 1.0),
            "shop": names[rng.integers(0, 12, rows)],
        }
    )
    return before, before.with_columns(pl.col("amount") * 1e6, pl.col("count") + 2)


@pytest.mark.parametrize("rows", ROWS)
def test_drift_is_readable(rows: int) -> None:
    drawn = min(rows, DRAWN_ROWS)  # as the page of the report draws them
    reference, current = sides(drawn)
    for column in reference.columns:
        found = distribution(reference[column], current[column])
        assert found is not None
        picture = distribution_chart(found, column)
        assert cut_or_overlapping(picture) == []
        assert len(picture) < MOST_BYTES
    figure = drift_figure(drift_report(reference, current, reference.columns, LIMITS))
    assert not overlapping(figure)
    assert not beyond_the_edge(figure)
    assert {*reference.columns} <= {*words(figure)}
    assert len(png(figure)) < MOST_BYTES


@pytest.mark.parametrize(("rows", "centre"), [(5, 0.0), (5_000, -6.3), (5_000_000, -6.3)])
def test_calibration_is_readable(rows: int, centre: float) -> None:
    """Of a rare outcome and of a common one."""
    rng = np.random.default_rng(0)
    scores = 1 / (1 + np.exp(-rng.normal(centre, 1.8, rows)))
    y = (rng.random(rows) < scores).astype(np.float64)
    figure = new_figure(4.6, 3.5)
    upper, lower = figure.subplots(2, sharex=True, height_ratios=(3, 1))
    draw_reliability(upper, [("xgboost", y, scores, BLUE)], "share of positives")
    draw_scores(lower, [(scores, BLUE)], "score")
    assert not overlapping(figure)
    assert not beyond_the_edge(figure)
    assert len(words(figure)) > 8
    assert len(svg_address(figure)) < MOST_BYTES
