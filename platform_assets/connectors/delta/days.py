"""Delta tables that somebody else writes: event days, or the whole of a reference table.

Belongs here: opening such a table and reading a version of it. Does not belong here: following its changes
(`changes.py`), and the tables of this platform (`lake/`).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import polars as pl

from platform_assets.connectors.access import Access
from platform_assets.connectors.casting import event_days
from platform_assets.connectors.delivery import day_range
from platform_assets.connectors.errors import SourceError
from platform_assets.declaration.delivered_columns import (
    CHANGE_COLUMNS,
    DELIVERED_DAY,
    DELIVERY_COLUMNS,
    SOURCE_POSITION,
    SOURCE_PROBLEM,
)
from platform_assets.declaration.sections.connectors.delta import DeltaConnector
from platform_assets.declaration.sections.sources import Source


def read_delta(
    source: Source,
    connector: DeltaConnector,
    use_case_folder: Path,
    first_day: date | None,
    last_day: date | None,
    access: Access,
) -> pl.DataFrame:
    """Rows of the table's latest version.

    A row is delivered for the UTC day of its event time; one without an event time is delivered for no day.

    Raises:
        SourceError: If there is no table, or it cannot be read.
    """
    days = day_range(source, first_day, last_day) if source.is_daily else None
    table = open_table(source, connector, use_case_folder, access)
    with readable(source, connector):
        rows = scan(table, access)
        time_column = source.event_time
        if days is not None and time_column in (schema := rows.collect_schema()) and time_column is not None:
            rows = rows.filter(_within(schema[time_column], time_column, *days))
        delivered = with_positions(rows.collect(), source, table.version())
    if days is None or source.event_time not in delivered.columns:
        return delivered
    days_of_rows = event_days(delivered[source.event_time or ""]).alias(DELIVERED_DAY)
    return delivered.with_columns(days_of_rows).filter(pl.col(DELIVERED_DAY).is_between(*days))


def open_table(
    source: Source, connector: DeltaConnector, folder: Path, access: Access, version: int | None = None
) -> Any:
    """The table, at its latest version or at another one.

    Raises:
        SourceError: If there is none.
    """
    from deltalake import DeltaTable

    uri = connector.uri if "://" in connector.uri else str(folder / connector.uri)
    if "://" not in uri and not Path(uri).is_dir():
        raise SourceError(
            f"source '{source.name}': there is no folder {uri}, so no Delta table. Correct connector.uri in defs.yaml."
        )
    with readable(source, connector):
        return DeltaTable(uri, version=version, storage_options=options(access, uri))


def options(access: Access, uri: str) -> dict[str, str] | None:
    """Options of the object store, for an address in one."""
    return dict(access.object_store) or None if "://" in uri else None


def scan(table: Any, access: Access) -> pl.LazyFrame:
    """All rows of the version that the table was opened at."""
    return pl.scan_delta(table, version=table.version(), storage_options=options(access, table.table_uri))


@contextmanager
def readable(source: Source, connector: DeltaConnector) -> Iterator[None]:
    """Turn errors of deltalake and polars into messages that name the remedy."""
    from deltalake.exceptions import DeltaError, TableNotFoundError

    try:
        yield
    except TableNotFoundError as error:
        raise SourceError(
            f"source '{source.name}': there is no Delta table at {connector.uri}. Correct connector.uri in defs.yaml, or "
            f"wait until its owner has written it."
        ) from error
    except (DeltaError, OSError, pl.exceptions.PolarsError) as error:
        raise SourceError(
            f"source '{source.name}': the Delta table at {connector.uri} cannot be read: {error}. Check that it may be "
            f"reached (PLATFORM_ASSETS_OBJECT_STORE for s3://) and that its files were not removed by a vacuum."
        ) from error


def with_positions(rows: pl.DataFrame, source: Source, version: int) -> pl.DataFrame:
    """Rows with `source_position` (`delta:orders@12:1234`, version and key), no `delivered_day` and no `source_problem`."""
    new_names = {name: f"{name}_delivered" for name in (*DELIVERY_COLUMNS, *CHANGE_COLUMNS) if name in rows.columns}
    rows = rows.rename(new_names)
    keys = [pl.col(name).cast(pl.String).fill_null("None") for name in source.primary_key if name in rows.columns]
    key = pl.concat_str(keys, separator=",") if keys else pl.lit("")
    return rows.with_columns(
        (pl.lit(f"delta:{source.name}@{version}:") + key).alias(SOURCE_POSITION),
        pl.lit(None, dtype=pl.Date).alias(DELIVERED_DAY),
        pl.lit(None, dtype=pl.String).alias(SOURCE_PROBLEM),
    )


def _within(dtype: pl.DataType, name: str, first: date, last: date) -> pl.Expr:
    """A condition that deltalake and Parquet can skip files by; what is not a time is judged afterwards."""
    column = pl.col(name)
    if dtype == pl.Date:
        return column.is_between(first, last)
    if not isinstance(dtype, pl.Datetime):
        return pl.lit(True)
    zone = UTC if dtype.time_zone else None
    begin = datetime.combine(first, time(), zone)
    end = datetime.combine(last + timedelta(days=1), time(), zone)
    return (column >= begin) & (column < end)
