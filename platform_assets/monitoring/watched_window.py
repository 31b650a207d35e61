"""Which rows and columns are compared: the prediction log's names on both sides, and the same part of the calendar.

Belongs here: cutting a window out of the prediction log and preparing both sides. Does not belong here: the comparison
itself (`drift`).
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from datetime import date, timedelta

import polars as pl

from platform_assets.declaration.contract import feature_contract_hash
from platform_assets.declaration.prediction_log import FEATURE_PREFIX
from platform_assets.declaration.sections.sources import EVENT_DAY
from platform_assets.declaration.use_case import UseCase
from platform_assets.lake.schemas import watched_columns
from platform_assets.monitoring.drift import DriftLimits, DriftResult, drift_report, independent_rows
from platform_assets.monitoring.newest_day import NewestDay, newest_day_figures
from platform_assets.monitoring.second_look import (
    KnownRows,
    limits_by_column,
    logged_name,
    same_weekdays,
    second_look,
)


@dataclass(frozen=True, slots=True)
class WatchedWindow:
    """One window of the prediction log with what it was compared with.

    Attributes:
        first_day: first event day of the window.
        last_day: last event day, inclusive.
        reference: the rows compared with, for drawing.
        current: the rows of the window, for drawing.
        result: the verdicts.
    """

    first_day: date
    last_day: date
    reference: pl.DataFrame
    current: pl.DataFrame
    result: DriftResult


def watch_window(
    log: pl.DataFrame,
    reference: pl.DataFrame,
    use_case: UseCase,
    last_day: date,
    model_versions: Collection[str] | None = None,
    known: Callable[[], KnownRows] | None = None,
) -> WatchedWindow:
    """Compare the window of the prediction log that ends with a day.

    Predictions under another feature contract are left out, for their features mean something else; so are those made while
    the online store did not answer, whose entities' features are not what they were.

    Args:
        log: rows of the prediction log; days outside the window are left out.
        reference: rows of `reference_frame`; without `score` the score is not watched.
        use_case: window length, limits and columns.
        last_day: last event day of the window; it has `window_days` days.
        model_versions: leave out predictions of other versions, so that a promotion within the window does not look
            like a drift of the score. None keeps all.
        known: reads rows that may explain what moved (`second_look`); asked for only where something did.
    """
    first_day = last_day - timedelta(days=use_case.monitoring.window_days - 1)
    contract = feature_contract_hash(use_case)
    current = log.filter(
        pl.col(EVENT_DAY).is_between(first_day, last_day),
        pl.col("feature_contract") == contract,
        pl.col("fallback").is_null(),
    )
    if model_versions is not None:
        current = current.filter(pl.col("model_version").is_in(sorted(model_versions)))
    comparable = same_weekdays(reference, current)
    optional = {"score", "decision"} - {*reference.columns}
    optional |= {logged_name(name) for name, column in use_case.monitoring.columns.items() if not column.watched}
    columns = [column for column in watched_columns(use_case) if column not in optional]
    limits, group = DriftLimits.declared(use_case.monitoring), _group(use_case, comparable, current)
    result = drift_report(
        comparable, current, columns, limits, group=group, by_column=limits_by_column(use_case.monitoring)
    )
    first_look = result
    result = second_look(result, current, known or KnownRows, use_case, group)
    result = replace(result, newest_day=_newest_day(use_case, comparable, current, first_look, result, group))
    return WatchedWindow(first_day, last_day, comparable, current, result)


def _newest_day(
    use_case: UseCase,
    reference: pl.DataFrame,
    current: pl.DataFrame,
    first_look: DriftResult,
    result: DriftResult,
    group: str | None,
) -> dict[str, NewestDay]:
    """The window's last day by itself, on the same days of the week; what a second look explained, or the season, is left out."""
    if current.is_empty():
        return {}
    day = current.filter(pl.col(EVENT_DAY) == current[EVENT_DAY].max())
    same = same_weekdays(reference, day)
    seasonal = {logged_name(name) for name, column in use_case.monitoring.columns.items() if column.seasonal}
    columns = [
        now.column
        for before, now in zip(first_look.columns, result.columns, strict=True)
        if now.column not in seasonal and not (now.passed and not before.passed)
    ]
    return newest_day_figures(
        same if same.height >= use_case.monitoring.min_rows else reference,
        day,
        columns,
        DriftLimits.declared(use_case.monitoring),
        limits_by_column(use_case.monitoring),
        (independent_rows(same, group), independent_rows(day, group)),
    )


def panel_column(use_case: UseCase) -> str | None:
    """The column of what requests belong to: the declared group, else the key of the first entity with a window."""
    if use_case.training.group is not None:
        return use_case.training.group
    for view in use_case.features:
        if view.entity is not None and view.windows:
            return use_case.entity(view.entity).key_columns[0]
    return None


def _group(use_case: UseCase, reference: pl.DataFrame, current: pl.DataFrame) -> str | None:
    """What rows are counted by where they are not independent: the declared group, and of a window that shows only some of the
    members that the reference has, as a replayed panel does, those members: what it leaves out is no drift."""
    group = panel_column(use_case)
    if use_case.training.group is not None or group is None:
        return group
    if group not in reference.columns or group not in current.columns:
        return None
    members = reference.select(pl.col(group).drop_nulls().unique())
    left_out = members.join(current.select(group), on=group, how="anti")
    return group if left_out.height else None


def reference_frame(
    rows: pl.DataFrame, use_case: UseCase, scores: pl.Series | None = None, decisions: pl.Series | None = None
) -> pl.DataFrame:
    """Rows a model was made from, under the prediction log's column names.

    Args:
        rows: training-set or feature rows with every feature and `event_day`.
        use_case: names the features.
        scores: one for each row, from a model that was not fitted on that row: scores of rows a model has learned by
            heart lie elsewhere than those of new rows, which would look like drift. None leaves the score out.
        decisions: of a multi-class task the predicted class of each row, by the same model.

    Returns:
        `event_day`, the group where one is declared, the features under their prefix, and `score` and `decision` if given.
    """
    group = [name for name in (panel_column(use_case),) if name in rows.columns and name is not None]
    features = [pl.col(name).alias(FEATURE_PREFIX + name) for name in use_case.feature_names]
    frame = rows.select(EVENT_DAY, *group, *features)
    predicted = {"score": scores, "decision": decisions}
    return frame.with_columns(values.alias(name) for name, values in predicted.items() if values is not None)
