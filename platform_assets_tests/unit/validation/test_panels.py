"""Pictures of a load: panels without axes hold every value that was delivered, and say the same for the same numbers."""

import io
import json
import math
from datetime import date, timedelta

import matplotlib.image
import numpy as np
import polars as pl
import pytest

from platform_assets.pictures.palette import BLUE as COLOUR
from platform_assets.validation.panels import Panel, new_figure, png_of, round_numbers, spread
from platform_assets.validation.plots import plot_profile, plot_volume

DAY = date(2024, 3, 4)
BLUE = np.array([int(COLOUR[place : place + 2], 16) for place in (1, 3, 5)]) / 255


def blue_share(picture: bytes) -> float:
    pixels = matplotlib.image.imread(io.BytesIO(picture), format="png")[..., :3]
    return float((np.abs(pixels - BLUE).max(axis=2) < 0.02).mean())


def test_steps_fill_what_their_values_say() -> None:
    pictures = []
    for value in (1.0, 2.0):
        figure = new_figure(4.0, 2.0)
        panel = Panel(figure, (0.1, 0.1, 0.8, 0.8), (0.0, 4.0), (0.0, 2.0))
        panel.steps([value] * 4, [0.0, 1.0, 2.0, 3.0, 4.0], COLOUR)
        pictures.append(png_of(figure))
    half, whole = map(blue_share, pictures)
    assert whole == pytest.approx(0.64, abs=0.02)
    assert half == pytest.approx(0.32, abs=0.02)


@pytest.mark.parametrize(
    ("values", "from_zero", "low", "high"),
    [
        ([], False, -0.5, 0.5),
        ([3.0, 3.0], False, 2.85, 3.15),
        ([0.0, 10.0], True, 0.0, 10.5),
        ([math.nan, math.inf, 2.0, 4.0], False, 1.9, 4.1),
    ],
)
def test_a_range_holds_every_finite_value(values: list[float], from_zero: bool, low: float, high: float) -> None:
    assert spread(values, from_zero=from_zero) == pytest.approx((low, high))


def test_round_numbers_lie_within_their_range() -> None:
    assert round_numbers(0.0, 10.5, 3) == [0.0, 4.0, 8.0]
    assert all(-2.1 <= one <= 17.3 for one in round_numbers(-2.1, 17.3, 4))


@pytest.mark.parametrize("mean", [0.0, 1e300, -1e-300], ids=["nothing", "huge", "tiny"])
def test_a_profile_is_drawn_whatever_its_numbers_are(mean: float) -> None:
    histogram = json.dumps({"edges": [mean + i * max(abs(mean), 1.0) for i in range(4)], "counts": [1, 0, 5]})
    days = [DAY - timedelta(days=i) for i in range(3)]
    lines = {"column": "amount", "mean": mean, "q25": mean, "q75": mean, "histogram": histogram}
    profiles = pl.DataFrame([{"event_day": day, **lines} for day in days])
    drawn = plot_profile(profiles, DAY, ["amount", "absent"])
    assert drawn == plot_profile(profiles, DAY, ["amount", "absent"])
    assert blue_share(drawn) > blue_share(plot_profile(profiles.clear(), DAY, ["amount"])) == 0.0
    whole = plot_profile(profiles.head(1).with_columns(event_day=pl.lit(None, pl.Date)), None, ["amount"])
    assert blue_share(whole) > 0.0


def test_the_days_of_a_load_are_named() -> None:
    counts = {DAY + timedelta(days=i): 100 for i in range(40)}
    assert blue_share(plot_volume(counts, {})) > 0.2
    assert plot_volume(counts, {}) != plot_volume(counts, {DAY: 50})
