"""Carried state day by day, for tests and benchmarks.

Belongs here: one day and its labels in one call, and the days that a change touches. Does not belong here: carrying the state
(`features/offline/carried_state.py`), or reading days (`pipelines/compute_features.py`, which brings labels in with the next day).
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import polars as pl

from platform_assets.declaration.sections.features import FeatureView
from platform_assets.declaration.use_case import UseCase
from platform_assets.features.offline.carried_state import CarriedState, holds_labels, next_days, with_labels

_ONE_DAY = timedelta(days=1)


def newly_labelled_day(use_case: UseCase, day: date) -> date | None:
    """The event day whose labels become known by the midnight that ends `day`; None where it is `day` itself or later."""
    labelled = day + _ONE_DAY - timedelta(days=use_case.label_delay_days)
    return labelled if labelled < day else None


def next_day(
    state: CarriedState, events: pl.DataFrame, labelled: pl.DataFrame | None = None
) -> tuple[pl.DataFrame, CarriedState]:
    """The feature rows of the state's day, and the state at the next midnight with the labels known by then.

    Args:
        state: as of the midnight at which the day begins.
        events: clean rows of the day, in any order; with the label joined in where the view uses it.
        labelled: for a view that uses the label: clean rows, label joined in, of the events whose label becomes known by the
            next midnight; see `newly_labelled_day`. Earlier days may be among them.

    Returns:
        Exactly what `compute_view` gives for that day, and the state at the next midnight.

    Raises:
        FeatureError: events of another day, labels that the state lacks, or what `compute_view` refuses.
        PointInTimeError: a key appears twice.
    """
    features, moved = next_days(state, events, state.day)
    if not holds_labels(state.layout):
        return features, replace(moved, labels_day=moved.day)
    if newly_labelled_day(state.layout.use_case, state.day) is None:
        moved = with_labels(moved, events, moved.day)
    return features, with_labels(moved, labelled, moved.day)


def days_touched(view: FeatureView, day: date) -> tuple[date, date]:
    """First and last day of the feature table that a change of event day `day` touches, its label included."""
    return day, day + timedelta(days=view.span_days)
