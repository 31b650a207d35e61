"""Other engines' rolling windows, written as their documentation does.

Belongs here: polars, pandas and DuckDB, given the same events and asked for the same features. Does not belong here: measuring them
(`history.py`).
"""

from __future__ import annotations

import polars as pl

from platform_assets.declaration import FeatureView, UseCase
from platform_assets.declaration.sections.features import MICROSECONDS
from platform_assets.features.event_frames import event_order


def polars_features(events: pl.DataFrame, view: FeatureView, use_case: UseCase) -> pl.DataFrame:
    """The view's windows by polars: keys and features, ordered by time and key as the platform orders them."""
    entity_key = use_case.entity(str(view.entity)).key
    time_column = use_case.event_time
    ordered = events.sort(event_order(use_case, entity_key)).with_columns(pl.lit(1.0).alias("_one"))
    expressions = []
    for window in view.windows:
        column = pl.col(window.column or "_one").cast(pl.Float64)
        for length_days in window.lengths_days:
            size = f"{length_days}d"
            rolled = {
                "count": lambda c, s: c.rolling_sum_by(time_column, s, closed="right"),
                "sum": lambda c, s: c.rolling_sum_by(time_column, s, closed="right"),
                "mean": lambda c, s: c.rolling_mean_by(time_column, s, closed="right"),
                "min": lambda c, s: c.rolling_min_by(time_column, s, closed="right"),
                "max": lambda c, s: c.rolling_max_by(time_column, s, closed="right"),
            }[window.aggregate](column, size)
            expressions.append(rolled.over(entity_key).alias(window.feature_name(length_days)))
    rolled_up = ordered.with_columns(expressions).sort(event_order(use_case))
    return rolled_up.select(*use_case.event_source.primary_key, *view.feature_names)


def pandas_features(events: pl.DataFrame, view: FeatureView, use_case: UseCase) -> pl.DataFrame:
    """The same by pandas: `groupby(entity).rolling(length, on=time)`."""
    entity_key, time_column = use_case.entity(str(view.entity)).key, use_case.event_time
    keys = list(use_case.event_source.primary_key)
    ordered = events.sort(event_order(use_case, entity_key)).with_columns(pl.lit(1.0).alias("_one"))
    columns = list(dict.fromkeys(window.column or "_one" for window in view.windows))
    rows = ordered.select(*keys, entity_key, pl.col(time_column).dt.replace_time_zone(None), *columns).to_pandas()
    grouped = rows.groupby(entity_key, sort=True)
    for window in view.windows:
        for length_days in window.lengths_days:
            rolling = grouped.rolling(f"{length_days}D", on=time_column)[window.column or "_one"]
            rolled = rolling.sum() if window.aggregate == "count" else getattr(rolling, window.aggregate)()
            rows[window.feature_name(length_days)] = rolled.to_numpy()
    result = rows.sort_values([time_column, *keys])[[*keys, *view.feature_names]]
    return pl.from_pandas(result.reset_index(drop=True))


def duckdb_features(events: pl.DataFrame, view: FeatureView, use_case: UseCase) -> pl.DataFrame:
    """The same by DuckDB: windows over a RANGE of microseconds, the oldest instant left out."""
    import duckdb

    rows = events.with_columns(pl.col(use_case.event_time).dt.epoch("us").alias("_time")).to_arrow()
    with duckdb.connect() as connection:
        connection.register("rows", rows)
        return pl.DataFrame(connection.execute(duckdb_query(view, use_case, "rows")).to_arrow_table()).cast(
            dict.fromkeys(view.feature_names, pl.Float64)
        )


def duckdb_query(view: FeatureView, use_case: UseCase, rows: str) -> str:
    """The view's windows in DuckDB's SQL.

    Args:
        view: the features.
        use_case: the declaration.
        rows: what events are selected from; with their time in microseconds as `_time`.
    """
    entity_key, keys = use_case.entity(str(view.entity)).key, list(use_case.event_source.primary_key)
    features, windows = [], []
    for length_days in sorted({days for window in view.windows for days in window.lengths_days}):
        span = length_days * MICROSECONDS["d"] - 1
        order = f'PARTITION BY "{entity_key}" ORDER BY "_time" RANGE BETWEEN {span} PRECEDING AND CURRENT ROW'
        windows.append(f"w{length_days} AS ({order})")
    for window in view.windows:
        for length_days in window.lengths_days:
            value = "count(*)" if window.column is None else f'{_DUCKDB_NAMES[window.aggregate]}("{window.column}")'
            features.append(f'{value} OVER w{length_days} AS "{window.feature_name(length_days)}"')
    named = ", ".join(f'"{key}"' for key in keys)
    return f'SELECT {named}, {", ".join(features)} FROM {rows} WINDOW {", ".join(windows)} ORDER BY "_time", {named}'


_DUCKDB_NAMES = {"count": "count", "sum": "sum", "mean": "avg", "min": "min", "max": "max"}
