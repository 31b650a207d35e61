"""From an opened table to a lazy query of its declared columns.

Belongs here: which files and columns a query reads, and their order. Does not belong here: opening a table or reading it into memory
(`table.py`).
"""

from collections.abc import Sequence
from datetime import date
from typing import Protocol

import polars as pl
from deltalake import DeltaTable

from platform_assets.lake import storage
from platform_assets.lake.conform import DeclaredSchema, check_columns, in_range
from platform_assets.lake.evolution import Evolution, plan_evolution
from platform_assets.lake.retries import polars_options


class DeclaredTable(Protocol):
    """What a query has to know of a table's declaration."""

    @property
    def uri(self) -> str:
        """Its address."""

    @property
    def schema(self) -> DeclaredSchema:
        """Its columns."""

    @property
    def partition_by(self) -> str | None:
        """Its partition column."""

    @property
    def storage_options(self) -> dict[str, str] | None:
        """Options of the object store."""

    @property
    def evolution(self) -> Evolution:
        """How it may change to follow its declaration."""


def scan_opened(
    declared: DeclaredTable,
    table: DeltaTable,
    days: tuple[date | None, date | None],
    version: int | None,
    wanted: Sequence[str],
    *,
    ordered: bool,
) -> pl.LazyFrame:
    """The query that `LakeTable.scan` describes.

    Args:
        declared: The declaration.
        table: The table, opened at the version that is read.
        days: First and last partition; None for the oldest and the newest.
        version: The version that was named; None for the latest.
        wanted: Columns, in order.
        ordered: Whether rows are sorted by partition.
    """
    schema, day, (first, last) = pl.Schema(declared.schema), declared.partition_by, days
    check_columns(list(wanted), schema, table=declared.uri)
    needed = {name: schema[name] for name in wanted}
    stored = pl.Schema(table.schema())
    plan = plan_evolution(stored, needed, declared.evolution, table=declared.uri, complete=False)
    if version is not None:
        storage.check_files(table, uri=declared.uri)
    rows = pl.scan_delta(table, version=table.version(), storage_options=polars_options(declared.storage_options))
    if first is not None or last is not None:
        if day is None:
            raise ValueError(f"table {declared.uri} is not partitioned, which a range of days needs")
        rows = rows.filter(in_range(day, first, last))
    if ordered and day is not None:
        rows = rows.sort(day, maintain_order=True)
    return rows.select(list(plan.columns.values()) if plan.is_needed else list(wanted))
