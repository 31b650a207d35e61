"""A training set as arrays: made from a frame once, ordered once, sliced by day without copying.

Belongs here: the step from a polars frame to numpy and the checks that the step needs. Does not belong here: how features or labels
are computed, which days are taken (`folds`), and what a missing value is replaced with (`predictor`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from platform_assets.declaration import UseCase
from platform_assets.declaration.time_zones import UTC_ZONE
from platform_assets.features.event_frames import in_order
from platform_assets.lake.schemas import LABEL_DAYS, LABEL_VALUES
from platform_assets.tasks.labels import LabelError
from platform_assets.tasks.multiclass.labels import class_indices
from platform_assets.training.folds import Fold


class DatasetError(ValueError):
    """A training-set frame that cannot be learned from; the message names column and row count."""


@dataclass(frozen=True, eq=False)
class Dataset:
    """Rows to learn from or to judge on, in time order.

    Attributes:
        X: float64 [n, f] in C order; NaN stands for a missing value, infinities do not occur.
        y: float64 [n], 0.0 or 1.0 for a binary task, the index of the class for a multi-class one.
        event_day: datetime64[D] [n], the UTC day of the event, never decreasing.
        group: [n] identifiers that belong together (a card, a customer), or None.
        key: [n] the row's unique key; of a key of several columns their values as one text.
        features: the f feature names, in the order of X's columns.
        classes: the classes of a multi-class task, in the order of their indices; empty for any other task.
        history: where labels are dated by their decision, n rows of two lists: `label_days` in order, and `label_values` as in y, which
            the label had from each of these days on; None where a label never changes.
    """

    X: NDArray[np.float64]
    y: NDArray[np.float64]
    event_day: NDArray[np.datetime64]
    group: NDArray[Any] | None
    key: NDArray[Any]
    features: tuple[str, ...]
    classes: tuple[str, ...] = ()
    history: pl.DataFrame | None = None

    def __len__(self) -> int:
        return int(self.X.shape[0])

    def rows(self, first: date, last: date) -> Dataset:
        """The rows of event days `first` to `last`, inclusive, as views of this data set's arrays."""
        start = int(np.searchsorted(self.event_day, np.datetime64(first, "D"), side="left"))
        stop = int(np.searchsorted(self.event_day, np.datetime64(last, "D"), side="right"))
        return self._take(slice(start, max(start, stop)))

    def where(self, mask: NDArray[np.bool_]) -> Dataset:
        """The rows where `mask` (bool [n]) is true, in the same order."""
        return self._take(mask)

    def as_known(self, day: date) -> Dataset:
        """The rows with the labels that were known at 00:00 UTC of a day; rows without one are left out."""
        if self.history is None:
            return self
        position = pl.col(LABEL_DAYS).list.eval(pl.element() <= day).list.sum().cast(pl.Int64) - 1
        value = pl.when(position >= 0).then(pl.col(LABEL_VALUES).list.get(position, null_on_oob=True))
        y = self.history.select(value.alias("y"))["y"].fill_null(float("nan")).to_numpy()
        return replace(self, y=y)._take(np.isfinite(y))

    def _take(self, index: slice | NDArray[np.bool_]) -> Dataset:
        group = None if self.group is None else self.group[index]
        history = None if self.history is None else _rows_of(self.history, index)
        return replace(
            self,
            X=self.X[index],
            y=self.y[index],
            event_day=self.event_day[index],
            group=group,
            key=self.key[index],
            history=history,
        )


def from_frame(
    frame: pl.DataFrame,
    features: Sequence[str],
    label: str,
    group: str | None,
    key: str | Sequence[str],
    time: str,
    classes: Sequence[str] = (),
    zone: str = UTC_ZONE,
) -> Dataset:
    """Turn a training-set frame into a `Dataset`, ordered by (time, key) whatever the order of the frame.

    Args:
        frame: one row per event; columns may come in any order and others are ignored.
        features: the model's inputs in the model's order; numeric or boolean. Nulls become NaN.
        label: the column to predict; numeric or boolean, of classes also text; without nulls.
        group: a column of identifiers that belong together, or None.
        key: the column, or the columns, that identify a row.
        time: the event time (Datetime; UTC when it carries no zone) or event day (Date).
        classes: the classes of a multi-class task, as text, in their order.
        zone: the time zone whose days count.

    Raises:
        DatasetError: a column is missing or of the wrong type, a label is null or none of the classes, a value infinite, or a key repeated.
    """
    keys = [key] if isinstance(key, str) else list(key)
    _check_columns(frame, features, label, group, keys, time, has_classes=bool(classes))
    ordered = in_order(frame, list(dict.fromkeys([time, *keys])))
    names = row_keys(ordered, keys)
    repeated = len(ordered) - names.n_unique()
    if repeated:
        raise DatasetError(
            f"column {', '.join(keys)!r}: {repeated} of {len(ordered)} rows repeat a key; remove the duplicates first"
        )
    X = np.empty((len(ordered), len(features)), dtype=np.float64)
    for column, name in enumerate(features):
        X[:, column] = _numbers(ordered, name)
        infinite = int(np.isinf(X[:, column]).sum())
        if infinite:
            raise DatasetError(f"feature {name!r}: {infinite} of {len(ordered)} rows are infinite; correct the feature")
    try:
        y = class_indices(ordered[label], classes) if classes else _numbers(ordered, label)
    except LabelError as error:
        raise DatasetError(str(error)) from error
    unusable = int((~np.isfinite(y)).sum())
    if unusable:
        raise DatasetError(
            f"label {label!r}: {unusable} of {len(ordered)} rows are null or not finite; "
            "take only days whose labels have arrived"
        )
    return Dataset(
        X=X,
        y=y,
        event_day=_days(ordered[time], zone),
        group=None if group is None else ordered[group].to_numpy(),
        key=names.to_numpy(),
        features=tuple(features),
        classes=tuple(classes),
        history=_history(ordered, classes) if LABEL_DAYS in ordered.columns else None,
    )


def _history(ordered: pl.DataFrame, classes: Sequence[str]) -> pl.DataFrame:
    """Days and values of each row's label, the values as in y."""
    values = pl.element().cast(pl.Float64)
    if classes:
        values = pl.element().cast(pl.String).replace_strict(list(classes), list(range(len(classes))), default=None)
    return ordered.select(LABEL_DAYS, pl.col(LABEL_VALUES).list.eval(values.cast(pl.Float64)))


def _rows_of(history: pl.DataFrame, index: slice | NDArray[np.bool_]) -> pl.DataFrame:
    return history[index] if isinstance(index, slice) else history.filter(pl.Series(index))


def read_dataset(use_case: UseCase, frame: pl.DataFrame) -> Dataset:
    """Rows of a training set of a use case as arrays.

    Args:
        use_case: the declaration.
        frame: rows with key, event time, features, label and group.

    Raises:
        DatasetError: see `from_frame`.
    """
    return from_frame(
        frame,
        features=use_case.feature_names,
        label=use_case.label.column,
        group=use_case.training.group,
        key=use_case.event_source.primary_key,
        time=use_case.event_time,
        classes=use_case.classes,
        zone=use_case.time_zone,
    )


def row_keys(frame: pl.DataFrame, keys: Sequence[str]) -> pl.Series:
    """What names each row in a `Dataset` and in what is recorded of it: the key, or its several values as one text."""
    if len(keys) == 1:
        return frame[keys[0]]
    parts = pl.struct(pl.col(name).cast(pl.String) for name in keys)
    return frame.select(parts.struct.json_encode().alias(", ".join(keys))).to_series()


def rows_to_judge(dataset: Dataset, fold: Fold, exclude_known_groups: bool = False) -> Dataset:
    """The rows a fold is judged on.

    With `exclude_known_groups`, a row of test day t is left out when its group had a positive label between the fold's first
    training day and day t - delay - 1, the delay being the days between the fold's training and test period: a card known to be
    compromised is blocked, and finding it again is no merit. This is what `get_train_test_set` does in Le Borgne et al.,
    Reproducible Machine Learning for Credit Card Fraud Detection, chapter 5.

    Args:
        dataset: all rows; must reach from the fold's first training day to its last test day.
        fold: which days.
        exclude_known_groups: leave out groups known to be positive; needs `dataset.group` and a binary label.

    Raises:
        DatasetError: groups are to be left out but there are none, or the label is not binary.
    """
    test = dataset.rows(fold.test_first, fold.test_last)
    if not exclude_known_groups:
        return test
    seen = dataset.rows(fold.train_first, fold.test_last)
    if seen.group is None or test.group is None:
        raise DatasetError("groups known to be positive cannot be left out: no group column is declared")
    if not np.isin(seen.y, (0.0, 1.0)).all():
        raise DatasetError("groups known to be positive cannot be left out: the label is not binary")
    positive = seen.y == 1.0 if seen.history is None else _was_positive(seen.history)
    if not positive.any():
        return test
    delay = np.timedelta64((fold.test_first - fold.train_last).days, "D")
    known_from = seen.event_day + delay if seen.history is None else _positive_since(seen.history)
    days = pl.DataFrame({"group": seen.group[positive], "since": known_from[positive]})
    first = days.group_by("group").agg(pl.col("since").min())
    judged = pl.DataFrame({"group": test.group, "day": test.event_day}).join(
        first, on="group", how="left", maintain_order="left"
    )
    return test.where(~(judged["since"] <= judged["day"]).fill_null(False).to_numpy())


def _was_positive(history: pl.DataFrame) -> NDArray[np.bool_]:
    """Whether a label was ever known to be positive."""
    return history[LABEL_VALUES].list.contains(1.0).fill_null(False).to_numpy()


def _positive_since(history: pl.DataFrame) -> NDArray[np.datetime64]:
    """The day from which a label was first known to be positive."""
    position = pl.col(LABEL_VALUES).list.eval(pl.element() == 1.0).list.arg_max()
    days = history.select(pl.col(LABEL_DAYS).list.get(position, null_on_oob=True))[LABEL_DAYS]
    return days.to_numpy().astype("datetime64[D]")


def _numbers(frame: pl.DataFrame, name: str) -> NDArray[np.float64]:
    """One column as float64 with NaN for null."""
    return frame[name].cast(pl.Float64).fill_null(float("nan")).to_numpy().astype(np.float64, copy=False)


def _days(times: pl.Series, zone: str) -> NDArray[np.datetime64]:
    """The day of each time in a zone."""
    if isinstance(times.dtype, pl.Datetime):
        times = (times if times.dtype.time_zone else times.dt.replace_time_zone("UTC")).dt.convert_time_zone(zone)
        times = times.dt.replace_time_zone(None)
    return times.cast(pl.Date).to_numpy().astype("datetime64[D]")


def _repeated(names: Sequence[str]) -> set[str]:
    return {name for name in names if list(names).count(name) > 1}


def _check_columns(
    frame: pl.DataFrame,
    features: Sequence[str],
    label: str,
    group: str | None,
    keys: Sequence[str],
    time: str,
    *,
    has_classes: bool,
) -> None:
    """Names and types, before any value is looked at."""
    if not features:
        raise DatasetError("no features are declared: a model needs at least one")
    if len(set(features)) != len(features):
        raise DatasetError(f"a feature is declared twice: {sorted(_repeated(features))}")
    if label in features:
        raise DatasetError(f"label {label!r} is also declared as a feature: the model would see its answer")
    wanted = [*features, label, *keys, time, *([group] if group is not None else [])]
    missing = sorted(set(wanted) - set(frame.columns))
    if missing:
        raise DatasetError(f"the training set lacks columns {missing}; it has {sorted(frame.columns)}")
    for name in [*features, *([] if has_classes else [label])]:
        dtype = frame.schema[name]
        if not (dtype.is_numeric() or dtype == pl.Boolean or dtype == pl.Null):
            raise DatasetError(f"column {name!r} is {dtype}: features and labels must be numeric or boolean")
    if not (frame.schema[time] == pl.Date or isinstance(frame.schema[time], pl.Datetime)):
        raise DatasetError(f"column {time!r} is {frame.schema[time]}: the event time must be a Date or a Datetime")
    nulls = {name: frame[name].null_count() for name in (*keys, time) if frame[name].null_count()}
    if nulls:
        raise DatasetError(f"keys and event times must not be null; null rows by column: {nulls}")
