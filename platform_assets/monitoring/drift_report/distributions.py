"""How the values of a column lie on both sides, in a form that is drawn: shares of bins or of categories.

Belongs here: counting for a picture. Does not belong here: the statistics that decide (`monitoring/drift_statistics.py`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import polars as pl

from platform_assets.monitoring.drift_statistics import FloatArray

BINS = 24
MOST_CATEGORIES = 8
LONGEST_CATEGORY = 20
OUTER_PERCENT = 1.0
"""Values outside these percentiles of both sides together are counted in the bins at the edges: one of a million rows does not decide
the scale."""
WIDE = 50.0
"""The largest drawn value is so many times the median of both sides: the scale is that of the logarithm."""


@dataclass(frozen=True, slots=True)
class Distribution:
    """Shares of both sides.

    Attributes:
        kind: of the bins: `numbers` on a plain or a `logarithm` scale, or `categories`.
        edges: of numbers, one more than bins; empty for categories.
        names: of categories; empty for numbers.
        reference: share of the reference's values in each.
        current: share of the window's values in each.
        outside: share of the window's values beyond the outermost edges.
    """

    kind: Literal["numbers", "logarithm", "categories"]
    edges: tuple[float, ...]
    names: tuple[str, ...]
    reference: tuple[float, ...]
    current: tuple[float, ...]
    outside: float = 0.0


def distribution(reference: pl.Series, current: pl.Series) -> Distribution | None:
    """Both sides of a column; None where there is nothing that could be drawn side by side."""
    if reference.dtype.is_numeric() and current.dtype.is_numeric():
        sides = [_finite(one) for one in (reference, current)]
        return _numbers(*sides) if all(side.size for side in sides) else None
    if reference.dtype.is_numeric() or current.dtype.is_numeric():
        return None
    texts = [one.cast(pl.String, strict=False).drop_nulls() for one in (reference, current)]
    return _categories(*texts) if all(len(text) for text in texts) else None


def _finite(series: pl.Series) -> FloatArray:
    values = series.cast(pl.Float64).drop_nulls().to_numpy()
    finite: FloatArray = values[np.isfinite(values)]
    return finite


def _numbers(before: FloatArray, now: FloatArray) -> Distribution:
    ends = [np.percentile(side, (OUTER_PERCENT, 100 - OUTER_PERCENT)) for side in (before, now)]
    low, high = float(min(ends[0][0], ends[1][0])), float(max(ends[0][1], ends[1][1]))
    if low == high:
        low, high = float(min(before.min(), now.min())), float(max(before.max(), now.max()))
    if low == high:
        room = abs(low) * 0.5 or 0.5
        low, high = low - room, high + room
    positive = low > 0.0 and high > WIDE * float(np.median(np.concatenate([before, now])))
    edges = np.geomspace(low, high, BINS + 1) if positive else np.linspace(low, high, BINS + 1)
    whole = bool((before == np.rint(before)).all() and (now == np.rint(now)).all())
    if whole and not positive and high - low < BINS:
        edges = np.arange(np.floor(low) - 0.5, np.ceil(high) + 1.0)
    shares = [np.histogram(side.clip(edges[0], edges[-1]), edges)[0] / side.size for side in (before, now)]
    outside = float(((now < edges[0]) | (now > edges[-1])).mean())
    return Distribution(
        "logarithm" if positive else "numbers",
        tuple(float(edge) for edge in edges),
        (),
        tuple(float(one) for one in shares[0]),
        tuple(float(one) for one in shares[1]),
        outside,
    )


def _categories(before: pl.Series, now: pl.Series) -> Distribution:
    counts = [{str(name): rows / len(side) for name, rows in side.value_counts().iter_rows()} for side in (before, now)]
    together = sorted(
        {*counts[0], *counts[1]},
        key=lambda name: (-max(counts[0].get(name, 0.0), counts[1].get(name, 0.0)), name),
    )
    kept = together[:MOST_CATEGORIES]
    shares = [[side.get(name, 0.0) for name in kept] for side in counts]
    names = [name if len(name) <= LONGEST_CATEGORY else f"{name[: LONGEST_CATEGORY - 1]}…" for name in kept]
    if len(together) > len(kept):
        names.append(f"{len(together) - len(kept):,} others")
        for side in shares:
            side.append(max(0.0, 1.0 - sum(side)))
    return Distribution("categories", (), tuple(names), tuple(shares[0]), tuple(shares[1]))
