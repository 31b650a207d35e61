"""Evidently's own report on a window, for who asks for it: its tests and pictures of the columns that can be drawn.

Belongs here: what Evidently is given. Does not belong here: verdicts (`drift`), which are taken before and never by Evidently; the report
that every window has (`drift_report/`).

Evidently 0.7.23 drops a column without values silently, does not notice infinities, and fails for the whole page on an
all-NaN column, an empty frame, a single row, or numbers turned into strings. It therefore only sees columns whose
verdict says that they can be compared, and it computes our statistic against our limit under its names.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from platform_assets.extras import NeededExtra, require_extras
from platform_assets.monitoring.drift import ColumnVerdict, DriftResult
from platform_assets.monitoring.drift_statistics import (
    category_counts,
    ks_statistic,
    number_counts,
    population_stability_index,
    without_last_bits,
)

if TYPE_CHECKING:
    import pandas as pd

DRAWN_ROWS = 20_000
"""Rows given to it of either side, a seeded sample: its report is as large as what it is given."""

MIN_DRAWN_VALUES = 30
"""A column with fewer values on either side, once missing ones are left out, is listed but not drawn."""

MAX_CATEGORIES = 30
"""Categories drawn of one column; the rarer ones are drawn together."""

KS_TEST = "platform_ks_statistic"
NUMBER_PSI_TEST = "platform_number_psi"
CATEGORY_PSI_TEST = "platform_category_psi"


class ReportError(RuntimeError):
    """The report could not be made."""


def evidently_report(reference: pl.DataFrame, current: pl.DataFrame, result: DriftResult, path: Path) -> Path:
    """Write Evidently's report on one window, some megabytes of HTML with its drawing library.

    Args:
        reference: the rows that `result` was computed from.
        current: the rows of the window.
        result: a verdict for each column.
        path: the HTML file; its folder is made.

    Returns:
        The path written.

    Raises:
        ExtraMissing: Evidently is not installed.
        ReportError: no column can be drawn.
    """
    require_extras([NeededExtra("evidently", "Evidently's report")])
    reference, current = _sample(reference), _sample(current)
    drawn = [one for one in result.columns if _can_be_drawn(one, reference, current)]
    if not drawn:
        raise ReportError(
            f"Evidently can draw none of {len(result.columns)} columns: each is missing, without values, of another type or has fewer "
            f"than {MIN_DRAWN_VALUES} rows on a side; the drift report says which"
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(_evidently_page(reference, current, drawn), encoding="utf-8")
    return path


def _sample(frame: pl.DataFrame) -> pl.DataFrame:
    return frame if frame.height <= DRAWN_ROWS else frame.sample(DRAWN_ROWS, seed=0)


def _can_be_drawn(verdict: ColumnVerdict, reference: pl.DataFrame, current: pl.DataFrame) -> bool:
    if verdict.status not in ("ok", "drift"):
        return False
    sides = (_values(reference[verdict.column]).drop_nulls(), _values(current[verdict.column]).drop_nulls())
    return all(len(side) >= MIN_DRAWN_VALUES for side in sides)


def _values(series: pl.Series) -> pl.Series:
    """A column the way it is drawn: numbers as floats without NaN, everything else as strings."""
    return series.cast(pl.Float64).fill_nan(None) if series.dtype.is_numeric() else series.cast(pl.String)


def _evidently_page(reference: pl.DataFrame, current: pl.DataFrame, drawn: list[ColumnVerdict]) -> str:
    from evidently import DataDefinition, Dataset, Report
    from evidently.presets import DataDriftPreset

    _register_statistics()
    columns = [verdict.column for verdict in drawn]
    numbers = [column for column in columns if reference[column].dtype.is_numeric()]
    definition = DataDefinition(
        numerical_columns=numbers, categorical_columns=[column for column in columns if column not in numbers]
    )
    before, now = _as_pandas(reference, current, columns, numbers)
    preset = DataDriftPreset(
        columns=columns,
        per_column_method={verdict.column: _test(verdict, verdict.column in numbers) for verdict in drawn},
        per_column_threshold={verdict.column: _threshold(verdict, verdict.column in numbers) for verdict in drawn},
    )
    snapshot = Report([preset]).run(
        Dataset.from_pandas(now, data_definition=definition), Dataset.from_pandas(before, data_definition=definition)
    )
    return str(snapshot.get_html_str(as_iframe=False))


def _as_pandas(
    reference: pl.DataFrame, current: pl.DataFrame, columns: list[str], numbers: list[str]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Both sides as pandas, rare categories drawn together."""
    import pandas as pd

    before, now = {}, {}
    for column in columns:
        old, new = _values(reference[column]), _values(current[column])
        if column not in numbers:
            both = pl.concat([old, new]).drop_nulls().value_counts(sort=True)
            kept = both[column][:MAX_CATEGORIES].to_list()
            old, new = (
                pl.select(
                    pl.when(side.is_null() | side.is_in(kept)).then(side).otherwise(pl.lit("(rarer)"))
                ).to_series()
                for side in (old, new)
            )
        before[column], now[column] = old.to_numpy(), new.to_numpy()
    return pd.DataFrame(before), pd.DataFrame(now)


def _is_ks_nearer(verdict: ColumnVerdict) -> bool:
    """Whether the KS distance is the statistic nearest to its limit."""
    return (verdict.ks or 0.0) / (verdict.ks_limit or 1.0) >= (verdict.psi or 0.0) / (verdict.psi_limit or 1.0)


def _test(verdict: ColumnVerdict, is_number: bool) -> str:
    if not is_number:
        return CATEGORY_PSI_TEST
    return KS_TEST if _is_ks_nearer(verdict) else NUMBER_PSI_TEST


def _threshold(verdict: ColumnVerdict, is_number: bool) -> float:
    limit = verdict.ks_limit if is_number and _is_ks_nearer(verdict) else verdict.psi_limit
    return limit if limit is not None else 1.0


def _register_statistics() -> None:
    """Make our statistics known to Evidently under their names; doing it again changes nothing."""
    from evidently.legacy.calculations.stattests.registry import StatTest, register_stattest
    from evidently.legacy.core import ColumnType

    for name, shown, kind, function in (
        (KS_TEST, "Kolmogorov-Smirnov statistic", ColumnType.Numerical, _ks_test),
        (NUMBER_PSI_TEST, "PSI, point masses apart", ColumnType.Numerical, _number_psi_test),
        (CATEGORY_PSI_TEST, "PSI of categories", ColumnType.Categorical, _category_psi_test),
    ):
        register_stattest(StatTest(name=name, display_name=shown, allowed_feature_types=[kind]), function)


def _ks_test(reference: pd.Series[Any], current: pd.Series[Any], _kind: object, threshold: float) -> tuple[float, bool]:
    value = ks_statistic(*without_last_bits(reference.to_numpy(float), current.to_numpy(float)))
    return value, value > threshold


def _number_psi_test(
    reference: pd.Series[Any], current: pd.Series[Any], _kind: object, threshold: float
) -> tuple[float, bool]:
    values = without_last_bits(reference.to_numpy(float), current.to_numpy(float))
    value = population_stability_index(*number_counts(*values))
    return value, value > threshold


def _category_psi_test(
    reference: pd.Series[Any], current: pd.Series[Any], _kind: object, threshold: float
) -> tuple[float, bool]:
    counts = category_counts(pl.Series(reference.astype(str).to_list()), pl.Series(current.astype(str).to_list()))
    value = population_stability_index(*counts)
    return value, value > threshold
