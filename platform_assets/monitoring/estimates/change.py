"""What is different about a window: where it moved, and which inputs answers depend on now.

Belongs here: putting both together for a use case. Does not belong here: each of them (`where_it_moved`, `importance`), reading rows
(`pipelines/estimate_quality.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import polars as pl

from platform_assets.declaration import UseCase
from platform_assets.declaration.prediction_log import FEATURE_PREFIX
from platform_assets.monitoring.drift_limits import DriftLimits
from platform_assets.monitoring.estimates.importance import ImportanceChange, importance_change
from platform_assets.monitoring.estimates.segments import segments
from platform_assets.monitoring.estimates.where_it_moved import Movement, Side, where_it_moved
from platform_assets.tasks.metric import Matrix, Vector

MOST_ROWS = 20_000
"""Of either side that are compared: movements that matter show in so many."""
MAX_SHARE = 0.05


@dataclass(frozen=True, slots=True)
class WindowChange:
    """What is different about a window.

    Attributes:
        moved: segments and features, the most first; empty where nothing moved past its limit.
        importance: of every input, beside the reference; None without rows.
    """

    moved: tuple[Movement, ...] = ()
    importance: ImportanceChange | None = None

    def to_dict(self) -> dict[str, Any]:
        """As plain values, ready for JSON."""
        importance = self.importance.to_dict() if self.importance else None
        return {"moved": [asdict(one) for one in self.moved], "importance": importance}


def window_change(
    use_case: UseCase,
    predict: Callable[[Matrix], Vector],
    features: Sequence[str],
    reference: pl.DataFrame,
    window: pl.DataFrame,
    least_rows: int | None = None,
) -> WindowChange:
    """Compare a window with labelled rows from before.

    Args:
        use_case: slices, limits, group.
        predict: the model.
        features: its inputs, in its order.
        reference: rows with features under their own names.
        window: the same of now.
        least_rows: fewer on either side are not compared; default: `monitoring.min_rows`.
    """
    least = use_case.monitoring.min_rows if least_rows is None else least_rows
    if min(reference.height, window.height) < least:
        return WindowChange()
    before, now = (_values(_sampled(rows), features) for rows in (reference, window))
    moved = moved_segments(use_case, features, reference, window)
    return WindowChange(moved, importance_change(predict, before, now, features))


def moved_segments(
    use_case: UseCase, features: Sequence[str], reference: pl.DataFrame, window: pl.DataFrame
) -> tuple[Movement, ...]:
    """Segments and features that moved by more than is declared, the most first.

    Args:
        use_case: slices, limits, group.
        features: inputs of the model; those that are not watched or `seasonal` are left out.
        reference: rows with features under their own names.
        window: the same of now.
    """
    before, now = (_sampled(rows) for rows in (reference, window))
    declared = use_case.monitoring.columns
    limits = DriftLimits.declared(use_case.monitoring)
    own = {name: limits.of_column(one).max_ks for name, one in declared.items()}
    compared = [
        name for name in features if name not in declared or (declared[name].watched and not declared[name].seasonal)
    ]
    parts = segments(use_case, before, now)
    return where_it_moved(
        _side(use_case, before, parts[0], compared),
        _side(use_case, now, parts[1], compared),
        compared,
        {name: own.get(name, limits.max_ks) for name in compared},
        MAX_SHARE,
    )


def without_prefix(log: pl.DataFrame) -> pl.DataFrame:
    """Rows of the prediction log with features under their own names; a request column of the same name gives way."""
    names = [name.removeprefix(FEATURE_PREFIX) for name in log.columns if name.startswith(FEATURE_PREFIX)]
    kept = [name for name in log.columns if name not in names]
    return log.select(kept).rename(lambda name: name.removeprefix(FEATURE_PREFIX))


def _sampled(rows: pl.DataFrame) -> pl.DataFrame:
    return rows if rows.height <= MOST_ROWS else rows.sample(MOST_ROWS, seed=0)


def _side(use_case: UseCase, rows: pl.DataFrame, parts: Mapping[str, Any], features: Sequence[str]) -> Side:
    group = use_case.training.group
    member = (
        rows[group].cast(pl.String).fill_null("").to_numpy() if group is not None and group in rows.columns else None
    )
    return Side(_values(rows, features), parts, member)


def _values(rows: pl.DataFrame, features: Sequence[str]) -> Matrix:
    values = rows.select(pl.col(name).cast(pl.Float64).fill_null(float("nan")) for name in features)
    return np.ascontiguousarray(values.to_numpy())
