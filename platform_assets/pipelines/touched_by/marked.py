"""Features that count rows of a file in place of what they aggregate: the same windows and look-ups, by the same kernel.

Belongs here: the declaration of these counts, marking rows, and which features a count touches. Does not belong here: which events and
tables there were (`predictions.py`, `stored_days.py`).

Whether a row stands in a window is asked of the kernel that computes the features, so the answer is right for delays, whole days, own
events, late requests, filters and missing values by construction.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

import polars as pl

from platform_assets.declaration import EVENT_DAY, FeatureView, UseCase
from platform_assets.declaration.checks.windows import window_columns
from platform_assets.declaration.expressions import columns_of
from platform_assets.declaration.sections.columns import Column
from platform_assets.declaration.sections.features import Lookup, Window
from platform_assets.features.offline.known_labels import join_labels
from platform_assets.pipelines.touched_by.file_rows import DeliveredFileRows

ROW_MARK, LABEL_MARK = "touched_by_row", "touched_by_label"
"""1 where the event, or its label, is a row of the file."""


def counting_case(use_case: UseCase, source: str) -> UseCase | None:
    """The use case with features that count marked rows; None where no feature reads the source."""
    views = tuple(
        view for view in (_counting(view, use_case, source) for view in use_case.features) if view is not None
    )
    if not views:
        return None
    marks = tuple(
        Column(name=name, type="int8", nullable=True, description="1 for a row of the file")
        for name in (ROW_MARK, LABEL_MARK)
    )
    sources = tuple(
        one.model_copy(update={"columns": (*one.columns, *marks)}) if one.name == use_case.events else one
        for one in use_case.sources
    )
    return use_case.model_copy(update={"features": views, "sources": sources})


def _counting(view: FeatureView, use_case: UseCase, source: str) -> FeatureView | None:
    windows = tuple(one for one in (_count(window, use_case, source) for window in view.windows) if one is not None)
    lookups = tuple(
        lookup.model_copy(update={"columns": (ROW_MARK,), "inputs": (), "defaults": {}})
        for lookup in view.lookups
        if lookup.source == source
    )
    if not windows and not lookups:
        return None
    nothing = {"rows": (), "functions": (), "categories": ()}
    return view.model_copy(update={**nothing, "windows": windows, "lookups": lookups})


def _count(window: Window, use_case: UseCase, source: str) -> Window | None:
    """A window that counts the marked events among those that the window aggregates."""
    by_row = source == use_case.events
    by_label = source == use_case.label.source and not by_row and use_case.label.column in window_columns(window)
    if not by_row and not by_label:
        return None
    conditions = [f"{ROW_MARK if by_row else LABEL_MARK} = 1"]
    if window.where is not None:
        conditions.append(f"({window.where})")
    if window.condition is not None:
        conditions.append(f"({window.condition}) IS NOT NULL")
    if window.column is not None:
        conditions.append(f"{window.column} IS NOT NULL")
    own = None if window.delay_microseconds else window.counts_own_event
    changed = {"aggregate": "count", "column": None, "condition": None, "where": " AND ".join(conditions)}
    return window.model_copy(update={**changed, "own_event": own, "when_empty": None})


def mark_events(events: pl.DataFrame, rows: pl.DataFrame, file: DeliveredFileRows) -> pl.DataFrame:
    """Events, labelled where features use labels, with both marks; label marks are given by `label_marks` and kept."""
    marked = events if LABEL_MARK in events.columns else events.with_columns(pl.lit(0, pl.Int8).alias(LABEL_MARK))
    if file.source.name != file.catalog.use_case.events:
        return marked.with_columns(pl.lit(0, pl.Int8).alias(ROW_MARK))
    return with_mark(marked, rows, [*file.source.primary_key, EVENT_DAY])


def with_mark(table: pl.DataFrame, rows: pl.DataFrame, on: Collection[str]) -> pl.DataFrame:
    """Rows of a table with `ROW_MARK`: 1 where they are among the file's, else 0."""
    named = rows.select(on).unique().with_columns(pl.lit(1, pl.Int8).alias(ROW_MARK))
    joined = table.join(named, on=list(on), how="left", maintain_order="left")
    return joined.with_columns(pl.col(ROW_MARK).fill_null(0))


def label_marks(events: pl.DataFrame, labels: pl.DataFrame, use_case: UseCase, as_of: object = None) -> pl.DataFrame:
    """Events with `LABEL_MARK`: 1 where the label that counts is a row of the file.

    Args:
        events: with or without their labels.
        labels: rows of the label's source with `ROW_MARK`.
        use_case: the declaration.
        as_of: the midnight at which labels that are dated by their decision count.
    """
    column = use_case.label.column
    without_absent = use_case.model_copy(update={"label": use_case.label.model_copy(update={"absent": None})})
    marks = labels.with_columns(pl.col(ROW_MARK).alias(column)).drop(ROW_MARK)
    joined = join_labels(events.drop(column, strict=False), marks, without_absent, as_of)  # type: ignore[arg-type]
    return events.with_columns(joined[column].cast(pl.Int8).fill_null(0).alias(LABEL_MARK))


def touched_features(counts: pl.DataFrame, use_case: UseCase) -> pl.DataFrame:
    """Of each row, whether each feature was computed from a row of the file.

    Args:
        counts: Float64, the features of the counting case.
        use_case: the declaration, as it is.

    Returns:
        A Boolean column for each feature.
    """
    is_touched: dict[str, pl.Expr] = {}
    for view in use_case.features:
        local = _inputs(view, counts.columns)
        for row in view.rows:
            local[row.name] = _any(local, columns_of(row.expression))
        for item in view.functions:
            local[item.name] = _any(local, item.columns)
        is_touched |= {name: local.get(name, pl.lit(False)) for name in view.feature_names}
    flags = [value.alias(name) for name, value in is_touched.items()]
    return counts.with_columns(flags).select(list(is_touched))


def _inputs(view: FeatureView, counted: Collection[str]) -> dict[str, pl.Expr]:
    """Whether windows and look-ups of a view hold a row of the file."""
    names = [name for window in view.windows for name in window.feature_names if name in counted]
    found = {name: _holds(name) for name in names}
    for lookup in view.lookups:
        if (mark := _mark_of(lookup)) in counted:
            found |= dict.fromkeys(lookup.names, _holds(mark))
    return found


def _mark_of(lookup: Lookup) -> str:
    return f"{lookup.name}_{ROW_MARK}"


def _holds(name: str) -> pl.Expr:
    return pl.col(name).fill_null(0.0) > 0


def _any(local: Mapping[str, pl.Expr], names: Collection[str]) -> pl.Expr:
    held = [local[name] for name in names if name in local]
    return pl.any_horizontal(held) if held else pl.lit(False)
