"""Business measures of answered requests whose labels are known: values with intervals, held to their bounds.

Belongs here: computing declared measures and judging them. Does not belong here: metrics of predictions (`quality`), joining labels
(`quality.join_labels`), storing (`pipelines/measure_business.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any, Literal

import numpy as np
import polars as pl

from platform_assets.declaration import EVENT_DAY, UseCase
from platform_assets.declaration.expressions import sql_expression
from platform_assets.declaration.sections.measures import BusinessMeasure

CONFIDENCE = 0.90
LEAST_DAYS = 2
"""Days with labels that an interval needs: it is taken from how days differ."""

MeasuresStatus = Literal["ok", "violated", "no_verdict"]


class MeasureError(ValueError):
    """A measure that these rows do not allow; the message says why."""


@dataclass(frozen=True, slots=True)
class MeasuredBusiness:
    """One measure over a window.

    Attributes:
        name: as declared.
        unit: as declared.
        per: `day` or `request`.
        value: mean of the days' sums, or mean over requests; None where it could not be computed.
        low: lower end of the 90 % interval; None with fewer than two days.
        high: upper end.
        bound: what it has to keep; None without.
        by_day: the same for each day, by ISO day.
        status: `violated` when the whole interval lies past the bound; without a bound `ok` once there is a value.
        explanation: one sentence.
    """

    name: str
    unit: str
    per: str
    value: float | None
    low: float | None
    high: float | None
    bound: float | None
    by_day: Mapping[str, float]
    status: MeasuresStatus
    explanation: str


@dataclass(frozen=True, slots=True)
class BusinessResult:
    """All measures of a window.

    Attributes:
        first_day: of the window.
        last_day: of the window.
        rows: answered requests.
        labelled_rows: those whose label is known; the others count for nothing.
        measures: in declared order.
    """

    first_day: date
    last_day: date
    rows: int
    labelled_rows: int
    measures: tuple[MeasuredBusiness, ...]

    @property
    def status(self) -> MeasuresStatus:
        """The worst of all measures."""
        found = {one.status for one in self.measures}
        return "violated" if "violated" in found else "no_verdict" if "no_verdict" in found else "ok"

    @property
    def passed(self) -> bool:
        """Whether every measure is there and keeps its bound."""
        return self.status == "ok"

    @property
    def causes(self) -> list[str]:
        """What is violated, as stored verdicts name it."""
        return [f"measure:{one.name}" for one in self.measures if one.status == "violated"]

    def to_dict(self) -> dict[str, Any]:
        """As plain values, ready for JSON."""
        days = {"first_day": self.first_day.isoformat(), "last_day": self.last_day.isoformat()}
        return asdict(self) | days | {"status": self.status, "passed": self.passed}


def measure_business(joined: pl.DataFrame, use_case: UseCase, days: tuple[date, date]) -> BusinessResult:
    """Measure a window.

    Args:
        joined: answered requests with features under their own names and the label, null where it is not known.
        use_case: the measures.
        days: first and last day of the window.
    """
    labelled = joined.filter(pl.col(use_case.label.column).is_not_null())
    measured = tuple(_measured(labelled, measure) for measure in use_case.monitoring.measures)
    return BusinessResult(*days, joined.height, labelled.height, measured)


def _measured(labelled: pl.DataFrame, measure: BusinessMeasure) -> MeasuredBusiness:
    def result(
        status: MeasuresStatus, text: str, by_day: Mapping[str, float], *values: float | None
    ) -> MeasuredBusiness:
        value, low, high = values or (None, None, None)
        return MeasuredBusiness(
            measure.name, measure.unit, measure.per, value, low, high, measure.bound, by_day, status, text
        )

    if labelled.is_empty():
        return result("no_verdict", f"{measure.name}: no answered request of the window has a label yet.", {})
    try:
        values = _values(labelled, measure)
    except MeasureError as error:
        return result("no_verdict", f"{measure.name}: {error}", {})
    daily = (
        labelled.select(EVENT_DAY)
        .with_columns(values.alias("value"))
        .group_by(EVENT_DAY)
        .agg(pl.col("value").sum().alias("sum"), pl.len().alias("rows"))
        .sort(EVENT_DAY)
    )
    sums = daily["sum"].to_numpy()
    sizes = np.ones(len(sums)) if measure.per == "day" else daily["rows"].to_numpy().astype(np.float64)
    by_day = {str(day): float(one) for day, one in zip(daily[EVENT_DAY], sums / sizes, strict=True)}
    value, half = float(sums.sum() / sizes.sum()), _half_width(sums, sizes)
    text = f"{measure.name} is {value:.4g} {measure.unit} a {measure.per}"
    if half is None:
        status: MeasuresStatus = "ok" if measure.bound is None else "no_verdict"
        return result(status, f"{text}, of one day: {LEAST_DAYS} are needed for a verdict.", by_day, value, None, None)
    low, high = value - half, value + half
    text = f"{text} (90 % interval {low:.4g} to {high:.4g})"
    if measure.bound is None:
        return result("ok", f"{text}.", by_day, value, low, high)
    lost = high < measure.bound if measure.direction == "increase" else low > measure.bound
    side = "below" if measure.direction == "increase" else "above"
    text += (
        f", {side} the bound of {measure.bound:.4g}." if lost else f", which keeps the bound of {measure.bound:.4g}."
    )
    return result("violated" if lost else "ok", text, by_day, value, low, high)


def _values(labelled: pl.DataFrame, measure: BusinessMeasure) -> pl.Series:
    """The measure of each request, float64.

    Raises:
        MeasureError: it is no number, or lacks for some rows.
    """
    try:
        value = labelled.select(sql_expression(measure.expression, labelled.schema).alias("value"))["value"]
    except pl.exceptions.PolarsError as error:
        raise MeasureError(f"{measure.expression!r} cannot be computed: {error}") from error
    if not (value.dtype.is_numeric() or value.dtype == pl.Boolean):
        raise MeasureError(f"{measure.expression!r} gives {value.dtype}; it must give a number or a condition")
    value = value.cast(pl.Float64)
    if len(value) != labelled.height:
        value = pl.Series([value[0]] * labelled.height)
    lacking = int((~value.is_finite().fill_null(False)).sum())
    if lacking:
        raise MeasureError(f"{measure.expression!r} has no finite value for {lacking} rows; say what they count as")
    return value


def _half_width(sums: np.ndarray[Any, Any], sizes: np.ndarray[Any, Any]) -> float | None:
    """Half of the interval of a ratio of sums over days, by leaving out each day in turn (the jackknife, Tukey, 1958)."""
    from scipy.stats import t

    days = len(sums)
    if days < LEAST_DAYS:
        return None
    without = (sums.sum() - sums) / (sizes.sum() - sizes)
    error = np.sqrt((days - 1) / days * ((without - without.mean()) ** 2).sum())
    return float(t.ppf((1 + CONFIDENCE) / 2, days - 1) * error)
