"""A simulated world of card payments, replayed: models trained as of days, and what each answered on the weeks after.

Belongs here: rows with features and labels in memory, models, windows. Does not belong here: estimating, counting (`topic.py`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import numpy as np
import polars as pl

from benchmarks.common.world import scored_use_case, simulated
from platform_assets.declaration import EVENT_DAY, UseCase
from platform_assets.features.offline.feature_table import compute_view, join_labels
from platform_assets.features.offline.training_set import training_set
from platform_assets.monitoring.estimates.estimate import ScoredRows
from platform_assets.monitoring.estimates.window import LabelledRows
from platform_assets.tasks.registry import metric_of
from platform_assets.training.candidates import declared_candidates
from platform_assets.training.compare import refit
from platform_assets.training.dataset import Dataset, read_dataset
from platform_assets.training.folds import days_needed, refit_days
from platform_assets.training.predictor import Predictor

SCALE: Mapping[str, Any] = {"customers": 1000, "terminals": 2000}
FIRST_DAY = 46
"""The first day of a world whose windows of features are full: 37 days of look-back."""
WEEK_DAYS = 7
ENTITIES: tuple[str, ...] = ("customer_id", "terminal_id")


@dataclass(frozen=True, eq=False)
class Window:
    """A week of predictions of one model.

    Attributes:
        first: first day.
        last: last day.
        labelled: the rows with the labels that come later.
        frame: the same rows with everything that is known of them.
    """

    first: date
    last: date
    labelled: LabelledRows
    frame: pl.DataFrame


@dataclass(frozen=True, eq=False)
class ReplayedModel:
    """A model as of a day, with what estimates need of it.

    Attributes:
        use_case: the declaration.
        as_of: the day.
        predictor: fitted on the newest labelled days.
        reference: labelled rows from before its training days.
        promised: the followed metric on the reference.
        data: all rows of the world.
        frame: the same rows, in the same order.
    """

    use_case: UseCase
    as_of: date
    predictor: Predictor
    reference: Window
    promised: Mapping[str, float]
    data: Dataset
    frame: pl.DataFrame

    def window(self, first: date, last: date) -> Window:
        """Predictions of some days."""
        rows = np.flatnonzero(
            (self.data.event_day >= np.datetime64(first)) & (self.data.event_day <= np.datetime64(last))
        )
        return _window(self.predictor, self.data, self.frame, rows, (first, last))


def world(
    seed: int, drift: Mapping[str, Any] | None = None, days: tuple[int, int] | None = None
) -> tuple[UseCase, pl.DataFrame]:
    """Rows of a world with features and labels, and the columns of entities, ordered as data sets are.

    Args:
        seed: of the world.
        drift: planted, as the simulator takes it; None for a quiet one.
        days: first and last day of the rows, counted from the first of the history; None for all with full windows.
    """
    use_case = scored_use_case().use_case
    first, last = use_case.history.first_day, use_case.history.last_day
    assert last is not None
    offset, until = days or (FIRST_DAY, (last - first).days)
    start, last = first + timedelta(days=offset), first + timedelta(days=until)
    overrides = {**SCALE, "seed": seed, **({"drift": dict(drift)} if drift else {})}
    events, labels = simulated(use_case, first, last, overrides)
    joined = join_labels(events, labels, use_case)
    views = {view.name: compute_view(view, use_case, joined, start, last) for view in use_case.features}
    frame = training_set(labels, views, use_case, last + timedelta(days=30), start, last)
    keys = [use_case.event_source.primary_key[0], *dict.fromkeys(entity.key_columns[0] for entity in use_case.entities)]
    absent = [name for name in keys if name not in frame.columns]
    frame = frame.join(events.select(keys[0], *absent), on=keys[0], how="left")
    return use_case, frame.sort(use_case.event_time, *use_case.event_source.primary_key)


def replay(use_case: UseCase, frame: pl.DataFrame, as_of_days: list[date]) -> Iterator[ReplayedModel]:
    """A model for each day, as it would have been trained then."""
    data = read_dataset(use_case, frame)
    splits = use_case.training.splits
    offsets = days_needed(
        use_case.label_delay_days, splits.train_days, splits.delay_days, splits.test_days, splits.folds
    )
    candidate = next(
        one for one in declared_candidates(use_case.training, use_case.feature_names) if one.name == "xgboost"
    )
    for as_of in as_of_days:
        days = refit_days(as_of, use_case.label_delay_days, splits.train_days)
        predictor = refit(data, days, candidate, use_case.training.seed)
        first = as_of + timedelta(days=offsets.first)
        rows = np.flatnonzero((data.event_day >= np.datetime64(first)) & (data.event_day < np.datetime64(days[0])))
        reference = _window(predictor, data, frame, rows, (first, days[0] - timedelta(days=1)))
        metric = metric_of(use_case, use_case.monitoring.quality_metric)
        promised = metric(reference.labelled.rows.with_labels(reference.labelled.y))
        yield ReplayedModel(use_case, as_of, predictor, reference, {metric.name: promised}, data, frame)


def _window(
    predictor: Predictor, data: Dataset, frame: pl.DataFrame, rows: np.ndarray[Any, Any], days: tuple[date, date]
) -> Window:
    X = data.X[rows]
    group = None if data.group is None else data.group[rows]
    own = frame[rows]
    assert np.array_equal(own[EVENT_DAY].to_numpy(), data.event_day[rows])
    clusters: dict[str, np.ndarray[Any, Any]] = {name: own[name].to_numpy() for name in ENTITIES if name in own.columns}
    scored = ScoredRows(predictor.predict(X), X, data.event_day[rows], group)
    return Window(*days, LabelledRows(data.y[rows], scored, clusters), own)
