"""How many participants an A/B test needs, and how long that takes, from the use case's own history.

Belongs here: variance of the success measure, sample size, duration, and the effect that could be seen within the history. Does not
belong here: reading tables (`pipelines/design_experiment.py`).

Sizes follow the normal approximation for the difference of two means (Chow, Shao, Wang: Sample Size Calculations in Clinical Research,
2008, section 3.2). Where whole customers are assigned, the measure's mean is a ratio of two sums over customers, and its variance is the
delta method's (Deng, Knoblich, Lu: Applying the Delta Method in Metric Analytics, 2018): events of one customer resemble each other, and
counting them as if they did not would promise a test that is too short.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import polars as pl

from platform_assets.declaration.expressions import sql_expression
from platform_assets.declaration.sections.experiments import Experiment

DAY, UNIT, VALUE = "day", "unit", "value"
WEEK_DAYS = 7


class DesignError(ValueError):
    """An experiment cannot be planned from this history; the message says what is lacking."""


@dataclass(frozen=True)
class Horizon:
    """A test of so many days, had it run at the end of the history.

    Attributes:
        days: how long.
        units: participants of both versions.
        mean: of the measure over all events.
        unit_variance: of a participant's contribution to the mean; divided by the participants it is the variance of the mean.
        needed_units: participants that the minimum effect needs.
        detectable_ratio: smallest effect that could be seen with these participants, as a share of the mean.
        design_effect: how many times as many events are needed as if each were assigned for itself.
    """

    days: int
    units: int
    mean: float
    unit_variance: float
    needed_units: int
    detectable_ratio: float
    design_effect: float

    @property
    def is_enough(self) -> bool:
        """Whether the minimum effect would be seen."""
        return self.units >= self.needed_units


@dataclass(frozen=True)
class Design:
    """A planned test.

    Attributes:
        experiment: what was asked for.
        first_day: first day of the history that it is planned from.
        last_day: its last day.
        events_per_day: on average.
        base: the measure's mean over the history.
        is_ratio: whether the measure is a share of events.
        horizons: tests of one week, two weeks and so on, and of the planned length.
        planned: the shortest test of whole weeks that sees the minimum effect; None when the history is too short for one.
    """

    experiment: Experiment
    first_day: date
    last_day: date
    events_per_day: float
    base: float
    is_ratio: bool
    horizons: tuple[Horizon, ...]
    planned: Horizon | None

    def sentences(self) -> list[str]:
        """The plan in words."""
        wanted = self.experiment
        sign = 1 if wanted.direction == "increase" else -1
        target = self.base * (1 + sign * wanted.minimum_effect_ratio)
        who = f"{wanted.assign_by} values" if wanted.assign_by else "events"
        lines = [
            f"Hypothesis: {wanted.hypothesis}",
            f"Measure: mean of {wanted.measure}; {self.base:.5g} in {self.first_day} .. {self.last_day}, "
            f"{self.events_per_day:,.0f} events a day.",
            f"Worth having: {wanted.direction} by {wanted.minimum_effect_ratio:.1%}, to {target:.5g}; power {wanted.power:.0%}, "
            f"significance {wanted.significance:.0%}, two-sided.",
        ]
        if self.planned is None:
            longest = self.horizons[-1]
            lines.append(
                f"Not to be had within {longest.days} days: {longest.needed_units:,} {who} are needed, {longest.units:,} come; an "
                f"effect of {longest.detectable_ratio:.1%} could be seen. Give it more traffic, a larger minimum effect, or a "
                "measure that varies less."
            )
            return lines
        treated = math.ceil(self.planned.needed_units * wanted.treatment_ratio)
        lines.append(
            f"Needed: {self.planned.needed_units:,} {who} ({treated:,} with the new version), which come within {self.planned.days} days: "
            f"{self.planned.units:,} do. An effect of {self.planned.detectable_ratio:.1%} can be seen by then."
        )
        if wanted.assign_by:
            lines.append(
                f"Events of one {wanted.assign_by} resemble each other: {self.planned.design_effect:.2f} times as many events are "
                "needed as if each were assigned for itself."
            )
        return lines

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        return {
            "experiment": self.experiment.model_dump(mode="json"),
            "first_day": self.first_day.isoformat(),
            "last_day": self.last_day.isoformat(),
            "events_per_day": self.events_per_day,
            "base": self.base,
            "is_ratio": self.is_ratio,
            "horizons": [horizon.__dict__ for horizon in self.horizons],
            "planned_days": self.planned.days if self.planned else None,
            "needed_units": self.planned.needed_units if self.planned else None,
        }


def measured(events: pl.DataFrame, experiment: Experiment, day: str) -> pl.DataFrame:
    """Day, unit and value of each event.

    Args:
        events: labelled events with the columns that the measure names.
        experiment: what is measured, and what is assigned.
        day: name of the column with the event day.

    Raises:
        DesignError: the measure cannot be computed, is not a number, or lacks for some events.
    """
    value = measure_values(events, experiment.measure, "experiment.measure")
    unit = pl.col(experiment.assign_by) if experiment.assign_by else pl.int_range(pl.len())
    return events.select(pl.col(day).alias(DAY), unit.alias(UNIT), value.alias(VALUE)).sort(DAY)


def measure_values(events: pl.DataFrame, measure: str, where: str) -> pl.Series:
    """The measure of each event, float64, in their order.

    Args:
        events: labelled events with the columns that the measure names.
        measure: the expression.
        where: its field in the declaration, for the message.

    Raises:
        DesignError: it cannot be computed, is not a number, or lacks for some events.
    """
    try:
        value = events.select(sql_expression(measure, events.schema).alias(VALUE))[VALUE]
    except (pl.exceptions.PolarsError, ValueError) as error:
        raise DesignError(f"{where} {measure!r} cannot be computed: {error}") from error
    if not (value.dtype.is_numeric() or value.dtype == pl.Boolean) or len(value) != events.height:
        raise DesignError(
            f"{where} {measure!r} gives {len(value)} values of type {value.dtype} for {events.height} events; "
            "it must give a number or a condition for each"
        )
    value = value.cast(pl.Float64)
    lacking = int((~value.is_finite().fill_null(False)).sum())
    if lacking:
        raise DesignError(
            f"{where} {measure!r} has no finite value for {lacking:,} of {events.height:,} events; say what they count as"
        )
    return value


def design(experiment: Experiment, history: pl.DataFrame) -> Design:
    """Plan a test.

    Args:
        experiment: what is to be shown.
        history: from `measured`, as many days as there are.

    Raises:
        DesignError: the history has too few days or events, or the measure does not vary.
    """
    days = history[DAY].n_unique()
    if history.height < 2 or days < WEEK_DAYS:
        raise DesignError(
            f"the history has {history.height:,} labelled events of {days} days; at least a week is needed"
        )
    base = float(history[VALUE].to_numpy().mean())
    spread = float(history[VALUE].to_numpy().var())
    if spread == 0 or base == 0:
        behaviour = "never varies" if spread == 0 else "is 0 on average"
        raise DesignError(
            f"experiment.measure {experiment.measure!r} {behaviour} in the history: an effect relative to it has no size; measure "
            "something else"
        )
    last = history[DAY].max()
    assert isinstance(last, date)
    weeks = days // WEEK_DAYS
    horizons = tuple(_horizon(experiment, history, last, week * WEEK_DAYS, base) for week in range(1, weeks + 1))
    first = history[DAY].min()
    assert isinstance(first, date)
    return Design(
        experiment=experiment,
        first_day=first,
        last_day=last,
        events_per_day=history.height / days,
        base=base,
        is_ratio=set(history[VALUE].unique().to_list()) <= {0.0, 1.0},
        horizons=horizons,
        planned=next((horizon for horizon in horizons if horizon.is_enough), None),
    )


def needed_units(variance: float, effect: float, experiment: Experiment) -> int:
    """Participants of both versions together that see an absolute effect.

    Args:
        variance: of one participant's contribution.
        effect: the difference of the two means.
        experiment: power, significance, and how participants are shared.
    """
    share = experiment.treatment_ratio
    return math.ceil(_quantiles(experiment) ** 2 * variance * (1 / share + 1 / (1 - share)) / effect**2)


def detectable_effect(variance: float, units: int, experiment: Experiment) -> float:
    """The absolute effect that so many participants of both versions see."""
    share = experiment.treatment_ratio
    return _quantiles(experiment) * math.sqrt(variance * (1 / share + 1 / (1 - share)) / units)


def _quantiles(experiment: Experiment) -> float:
    from scipy.stats import norm

    return float(norm.ppf(1 - experiment.significance / 2) + norm.ppf(experiment.power))


def _horizon(experiment: Experiment, history: pl.DataFrame, last: date, days: int, base: float) -> Horizon:
    """What the last so many days of the history say about a test of that length."""
    recent = history.filter(pl.col(DAY) > last - timedelta(days=days))
    units = recent.group_by(UNIT).agg(pl.len().cast(pl.Float64).alias("events"), pl.col(VALUE).sum().alias("sum"))
    variance, spread = _ratio_variance(units), float(recent[VALUE].to_numpy().var(ddof=1))
    taking_part = math.floor(units.height * experiment.traffic_ratio)
    effect = abs(base) * experiment.minimum_effect_ratio
    return Horizon(
        days=days,
        units=taking_part,
        mean=float(recent[VALUE].to_numpy().mean()),
        unit_variance=variance,
        needed_units=needed_units(variance, effect, experiment),
        detectable_ratio=detectable_effect(variance, max(1, taking_part), experiment) / abs(base),
        design_effect=variance / units.height * recent.height / spread if spread else 1.0,
    )


def _ratio_variance(units: pl.DataFrame) -> float:
    """Variance of a unit's contribution to the ratio of sums, by the delta method; the plain variance where each unit has one event."""
    events, sums = units["events"].to_numpy(), units["sum"].to_numpy()
    if len(events) < 2:
        return 0.0
    ratio = sums.sum() / events.sum()
    return float(((sums - ratio * events) ** 2).sum() / (len(events) - 1) / events.mean() ** 2)
