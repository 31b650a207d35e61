"""Which days a demonstration run, or a world that goes on by itself, loads, trains as of, and replays.

Belongs here: calendar arithmetic. Does not belong here: running anything (`cli/run/`).
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from platform_assets.declaration import UseCase
from platform_assets.declaration.days import DayRange
from platform_assets.declaration.time_zones import day_of
from platform_assets.training.folds import training_offsets


@dataclass(frozen=True)
class Timeline:
    """The days of a run.

    Attributes:
        history: days that are loaded before training.
        labels: days whose labels are known when the model is trained.
        as_of: the day the model is trained as of; traffic starts on this day.
        live: days that are replayed as live traffic: the last ones whose labels arrive within the history.
    """

    history: DayRange
    labels: DayRange
    as_of: date
    live: DayRange


def plan(use_case: UseCase) -> Timeline:
    """The days of a run over the whole declared history.

    Raises:
        ValueError: the history is too short for the declared folds and the live days.
    """
    first = use_case.history.first_day
    last = use_case.history.last_day or day_of(datetime.now(UTC), use_case.time_zone) - timedelta(days=1)
    delay = max(1, use_case.label_delay_days)
    live_last = last + timedelta(days=1 - delay)
    live = DayRange(live_last - timedelta(days=use_case.monitoring.window_days - 1), live_last)
    needed = _days_before(use_case)
    have = (live.first - first).days
    if have < needed:
        what = "training" if use_case.is_trained_here else "the reference of delivered scores"
        raise ValueError(
            f"{use_case.name}: {what} needs {needed} days before the {len(live.days)} live days, but the history has "
            f"{have}. Declare a longer history, fewer folds or shorter splits."
        )
    return Timeline(
        history=DayRange(first, live.first - timedelta(days=1)),
        labels=DayRange(first, live.first - timedelta(days=max(1, use_case.label_arrival_days))),
        as_of=live.first,
        live=live,
    )


def _days_before(use_case: UseCase) -> int:
    """Days that lie before the first day that is watched: what a model is trained on, or the reference of delivered scores."""
    if use_case.predictions is None:
        return -training_offsets(use_case).first
    return (use_case.predictions.reference.last_day - use_case.history.first_day).days + 1


def plan_live(use_case: UseCase, days: int) -> Timeline:
    """The days of a world that begins in the middle of the declared history and goes on from there.

    The first model is as of a day on which one is trained anyway, as early as every window and every fold lies within the history. It
    answers for one monitored window; then the live days begin.

    Args:
        use_case: the declaration.
        days: how many days go by.

    Raises:
        ValueError: so many days do not fit into the declared history.
    """
    first, every = use_case.history.first_day, use_case.training.every_days
    longest = max((view.span_days for view in use_case.features), default=0)
    needed = longest + _days_before(use_case)
    as_of = first + timedelta(days=-(-needed // every) * every)
    begin = as_of + timedelta(days=use_case.monitoring.window_days)
    last, end = begin + timedelta(days=days - 1), use_case.history.last_day
    if end is not None and last > end:
        have = max(0, (end - begin).days + 1)
        raise ValueError(
            f"{use_case.name}: windows, folds and a first window of monitoring need the days before {begin}, and the declared history goes "
            f"on for {have} days from there, not {days}. Ask for fewer days, or declare a longer history."
        )
    return Timeline(
        history=DayRange(first, as_of - timedelta(days=1)),
        labels=DayRange(first, as_of - timedelta(days=max(1, use_case.label_arrival_days))),
        as_of=as_of,
        live=DayRange(begin, last),
    )
