"""A verdict for every watched column: has it moved away from what the model knows, and could that be judged at all?

Belongs here: the order of the questions asked of a column, the limits, and the wording of the answers. Does not belong
here: the statistics themselves (`drift_statistics`), drawing (`report`), or whether a new model is needed (`verdict`).

The guard comes before any drawing library sees the data, because those drop a column without values silently, overlook
infinities, and fail for the whole page on one bad column. The model's score is watched as a column like any other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import numpy as np
import polars as pl

from platform_assets.monitoring.drift_limits import DriftLimits as DriftLimits
from platform_assets.monitoring.drift_statistics import (
    FloatArray,
    as_floats,
    category_counts,
    ks_noise,
    ks_statistic,
    number_counts,
    population_stability_index,
    psi_noise,
    without_last_bits,
)
from platform_assets.monitoring.newest_day import NewestDay

ColumnStatus = Literal["ok", "constant", "drift", "degenerate", "missing", "type_changed", "too_few_rows"]
DriftStatus = Literal["ok", "drift", "broken", "no_verdict"]
Kind = Literal["number", "category", "none", "other"]

PASSING: frozenset[ColumnStatus] = frozenset({"ok", "constant"})
BROKEN: frozenset[ColumnStatus] = frozenset({"degenerate", "missing", "type_changed"})
"""A column that cannot be what it is declared to be: a new model would learn the defect, so these call for a repair,
not for training."""


@dataclass(frozen=True, slots=True)
class ColumnVerdict:
    """What became of one column.

    Attributes:
        column: its name.
        status: `ok` and `constant` (the same single value on both sides) pass, everything else fails.
        explanation: one sentence with the numbers that decided.
        ks: Kolmogorov-Smirnov distance; None for categories and where it could not be computed.
        ks_limit: the declared limit, or what chance alone reaches in samples this small if that is more.
        psi: population stability index, None where it could not be computed.
        psi_limit: as `ks_limit`.
        rows_reference: rows of the reference.
        rows_current: rows of the current window.
        null_ratio_reference: share of missing values (null or NaN) in the reference, None without rows.
        null_ratio_current: the same in the current window.
    """

    column: str
    status: ColumnStatus
    explanation: str
    ks: float | None = None
    ks_limit: float | None = None
    psi: float | None = None
    psi_limit: float | None = None
    rows_reference: int = 0
    rows_current: int = 0
    null_ratio_reference: float | None = None
    null_ratio_current: float | None = None

    @property
    def passed(self) -> bool:
        """Whether the column is fine."""
        return self.status in PASSING

    @property
    def nearest(self) -> str:
        """The statistic that decides: `KS` or `PSI`, whichever is nearer to its limit or further past it."""
        return "KS" if _share(self.ks, self.ks_limit) >= _share(self.psi, self.psi_limit) else "PSI"

    @property
    def value(self) -> float | None:
        """That statistic; None where none could be computed."""
        return self.ks if self.nearest == "KS" else self.psi

    @property
    def limit(self) -> float | None:
        """The limit of that statistic; None where nothing was compared with one."""
        return self.ks_limit if self.nearest == "KS" else self.psi_limit

    @property
    def limit_share(self) -> float | None:
        """That statistic in limits, past 1 the column has moved: the one number that pages and pictures rank by; None without."""
        if self.value is None:
            return None
        return max(_share(self.ks, self.ks_limit), _share(self.psi, self.psi_limit), 0.0)


def _share(value: float | None, limit: float | None) -> float:
    """A statistic in limits; -1 where there is none."""
    return -1.0 if value is None or limit is None else value / limit


@dataclass(frozen=True, slots=True)
class DriftResult:
    """One window compared with the reference.

    Attributes:
        columns: a verdict for each column asked about, in that order.
        status: `broken` when a column is missing, changed its type or is degenerate; else `drift` when one drifted;
            `no_verdict` when there were too few rows, or no column was asked about; else `ok`.
        share_drifted: columns with status `drift` as a share of all columns.
        rows_reference: rows of the reference.
        rows_current: rows of the current window.
        newest_day: figures of the window's last day by itself, by column; of columns that nothing explains.
    """

    columns: tuple[ColumnVerdict, ...]
    status: DriftStatus
    share_drifted: float
    rows_reference: int
    rows_current: int
    newest_day: Mapping[str, NewestDay] = field(default_factory=dict)

    @classmethod
    def of(cls, verdicts: tuple[ColumnVerdict, ...], rows_reference: int, rows_current: int) -> DriftResult:
        """The verdicts of all columns together."""
        drifted = sum(verdict.status == "drift" for verdict in verdicts)
        share = drifted / len(verdicts) if verdicts else 0.0
        return cls(verdicts, _overall(verdicts), share, rows_reference, rows_current)

    @property
    def passed(self) -> bool:
        """Whether nothing moved; a comparison that could not be made did not pass."""
        return self.status == "ok"

    @property
    def failed_columns(self) -> tuple[ColumnVerdict, ...]:
        """Verdicts of the columns that did not pass."""
        return tuple(verdict for verdict in self.columns if not verdict.passed)

    def to_dict(self) -> dict[str, Any]:
        """The result as plain values, ready for JSON."""
        return asdict(self) | {"columns": [asdict(verdict) for verdict in self.columns], "passed": self.passed}


def drift_report(
    reference: pl.DataFrame,
    current: pl.DataFrame,
    columns: Sequence[str],
    limits: DriftLimits,
    group: str | None = None,
    by_column: Mapping[str, DriftLimits] | None = None,
) -> DriftResult:
    """Judge every column of a window against the reference.

    Args:
        reference: rows that the released model knows, such as its training period; it starts after the longest feature
            window and the label delay have filled up, because warm-up looks like drift.
        current: rows of the current window.
        columns: names of the columns to judge; one that either frame lacks gets the verdict `missing`.
        limits: how far a column may move.
        group: column of either frame that names what rows belong to (a customer). Rows of one customer are not
            independent, so that the sampling noise is that of a sample of so many customers; None takes every row as
            independent.
        by_column: limits of columns that have their own.
    """
    independent = independent_rows(reference, group), independent_rows(current, group)
    verdicts = tuple(
        column_verdict(
            column,
            reference[column] if column in reference.columns else None,
            current[column] if column in current.columns else None,
            (by_column or {}).get(column, limits),
            columns_judged=len(columns),
            independent=independent,
        )
        for column in columns
    )
    return DriftResult.of(verdicts, reference.height, current.height)


def independent_rows(frame: pl.DataFrame, group: str | None) -> int:
    """How many independent observations a frame holds."""
    return frame.height if group is None or group not in frame.columns else frame[group].n_unique()


def column_verdict(
    column: str,
    reference: pl.Series | None,
    current: pl.Series | None,
    limits: DriftLimits,
    columns_judged: int = 1,
    independent: tuple[int, int] | None = None,
) -> ColumnVerdict:
    """Judge one column; whatever it holds, there is a verdict and no exception.

    Args:
        column: its name.
        reference: values the model knows; None when the reference has no such column.
        current: values of the current window; None when the window has no such column.
        limits: how far the column may move.
        columns_judged: how many columns share the error rate (Bonferroni correction).
        independent: how many independent observations reference and current hold; None takes every row as one.
    """
    if reference is None or current is None:
        where = "the reference" if reference is None else "the current window"
        return ColumnVerdict(
            column,
            "missing",
            f"{where} has no such column; look for a renamed or dropped column upstream.",
            rows_reference=0 if reference is None else len(reference),
            rows_current=0 if current is None else len(current),
        )
    before, now = (
        _Side.of(reference, independent[0] if independent else None),
        _Side.of(current, independent[1] if independent else None),
    )
    unusable = _unusable(before, now, limits)
    if unusable is not None:
        status, explanation = unusable
        return _verdict(column, status, explanation, before, now)
    error_rate = limits.error_rate / (2 * max(columns_judged, 1))
    if before.kind == "number":
        return _judge_numbers(column, before, now, limits, error_rate)
    return _judge_categories(column, before, now, limits, error_rate)


@dataclass(frozen=True, slots=True)
class _Side:
    """One side of a comparison: the series, what kind of values it holds, and which are missing."""

    values: pl.Series
    kind: Kind
    nulls: int
    independent: int

    @classmethod
    def of(cls, series: pl.Series, independent: int | None = None) -> _Side:
        kind = _kind(series.dtype)
        nulls = int(np.isnan(as_floats(series)).sum()) if series.dtype.is_float() else series.null_count()
        return cls(series, kind, nulls, max(1, len(series) if independent is None else independent))

    @property
    def rows(self) -> int:
        return len(self.values)

    @property
    def null_ratio(self) -> float | None:
        return self.nulls / self.rows if self.rows else None

    @property
    def infinite(self) -> int:
        return int(np.isinf(as_floats(self.values)).sum()) if self.values.dtype.is_float() else 0

    @property
    def numbers(self) -> FloatArray:
        """The values as floats, missing ones as NaN, shape (rows,)."""
        return as_floats(self.values)

    @property
    def strings(self) -> pl.Series:
        return self.values.cast(pl.String)


def _kind(dtype: pl.DataType) -> Kind:
    if dtype.is_numeric():
        return "number"
    if dtype in (pl.String, pl.Boolean) or isinstance(dtype, pl.Categorical | pl.Enum):
        return "category"
    return "none" if dtype == pl.Null else "other"


def _unusable(before: _Side, now: _Side, limits: DriftLimits) -> tuple[ColumnStatus, str] | None:
    """Why two sides cannot be compared, or None when they can."""
    for side, where in ((before, "the reference"), (now, "the current window")):
        if side.rows == 0:
            return "too_few_rows", f"{where} has no rows; {limits.min_rows} are needed."
    for side, where in ((before, "the reference"), (now, "the current window")):
        if side.nulls == side.rows:
            return "degenerate", f"all {side.rows} values of {where} are missing; the column carries nothing."
    if before.kind != now.kind:
        return (
            "type_changed",
            f"{before.values.dtype} in the reference, {now.values.dtype} now; restore the declared type.",
        )
    if before.kind == "other":
        return (
            "degenerate",
            f"{now.values.dtype} is neither a number nor a category; watch a feature made from it instead.",
        )
    for side, where in ((before, "the reference"), (now, "the current window")):
        if side.infinite:
            return (
                "degenerate",
                f"{side.infinite} of {side.rows} values of {where} are infinite; look for a division by zero.",
            )
    for side, where in ((before, "the reference"), (now, "the current window")):
        if side.rows < limits.min_rows:
            return "too_few_rows", f"{where} has {side.rows} rows; {limits.min_rows} are needed."
    return None


def _judge_numbers(column: str, before: _Side, now: _Side, limits: DriftLimits, error_rate: float) -> ColumnVerdict:
    old, new = without_last_bits(before.numbers, now.numbers)
    constant = _constant(new)
    if constant is not None and _constant(old) == constant:
        return _verdict(column, "constant", f"{constant:.6g} in every row on both sides.", before, now, ks=0.0, psi=0.0)
    counts = number_counts(old, new)
    ks, psi = ks_statistic(old, new), population_stability_index(*counts)
    ks_limit = max(limits.max_ks, ks_noise(before.independent, now.independent, error_rate))
    psi_limit = max(limits.max_psi, psi_noise(before.independent, now.independent, counts[0].size, error_rate))
    moved = ks > ks_limit or psi > psi_limit
    status: ColumnStatus = "ok" if not moved else "degenerate" if constant is not None else "drift"
    explanation = (
        f"KS {ks:.3f} ({'over' if ks > ks_limit else 'within'} {ks_limit:.3f}), "
        f"PSI {psi:.3f} ({'over' if psi > psi_limit else 'within'} {psi_limit:.3f})"
    )
    if status == "degenerate":
        explanation += f"; stuck at {constant:.6g} in every row"
    elif moved:
        explanation += (
            f"; median {np.nanmedian(old):.6g} in the reference, {np.nanmedian(new):.6g} now{_null_change(before, now)}"
        )
    return _verdict(
        column, status, explanation + ".", before, now, ks=ks, ks_limit=ks_limit, psi=psi, psi_limit=psi_limit
    )


def _judge_categories(column: str, before: _Side, now: _Side, limits: DriftLimits, error_rate: float) -> ColumnVerdict:
    old, new = before.strings, now.strings
    if new.n_unique() == 1 and old.n_unique() == 1 and old[0] == new[0]:
        return _verdict(column, "constant", f"{new[0]!r} in every row on both sides.", before, now, psi=0.0)
    old_counts, new_counts = category_counts(old, new)
    psi = population_stability_index(old_counts, new_counts)
    psi_limit = max(limits.max_psi, psi_noise(before.independent, now.independent, old_counts.size, error_rate))
    moved = psi > psi_limit
    status: ColumnStatus = "ok" if not moved else "degenerate" if new.n_unique() == 1 else "drift"
    explanation = f"PSI {psi:.3f} ({'over' if moved else 'within'} {psi_limit:.3f})"
    if status == "degenerate":
        explanation += f"; stuck at {new[0]!r} in every row"
    elif moved:
        fresh = sorted(set(new.drop_nulls().unique()) - set(old.drop_nulls().unique()))
        explanation += (
            f"; {len(fresh)} new categories{', such as ' + repr(fresh[0]) if fresh else ''}{_null_change(before, now)}"
        )
    return _verdict(column, status, explanation + ".", before, now, psi=psi, psi_limit=psi_limit)


def _constant(values: FloatArray) -> float | None:
    """The one value that every row has, or None."""
    return float(values[0]) if bool(np.all(values == values[0])) else None


def _null_change(before: _Side, now: _Side) -> str:
    if before.nulls == now.nulls == 0:
        return ""
    return f"; missing {before.null_ratio or 0:.1%} in the reference, {now.null_ratio or 0:.1%} now"


def _verdict(
    column: str,
    status: ColumnStatus,
    explanation: str,
    before: _Side,
    now: _Side,
    *,
    ks: float | None = None,
    ks_limit: float | None = None,
    psi: float | None = None,
    psi_limit: float | None = None,
) -> ColumnVerdict:
    return ColumnVerdict(
        column,
        status,
        explanation,
        ks=ks,
        ks_limit=ks_limit,
        psi=psi,
        psi_limit=psi_limit,
        rows_reference=before.rows,
        rows_current=now.rows,
        null_ratio_reference=before.null_ratio,
        null_ratio_current=now.null_ratio,
    )


def _overall(verdicts: Sequence[ColumnVerdict]) -> DriftStatus:
    statuses = {verdict.status for verdict in verdicts}
    if statuses & BROKEN:
        return "broken"
    if "drift" in statuses:
        return "drift"
    return "no_verdict" if not statuses or "too_few_rows" in statuses else "ok"
