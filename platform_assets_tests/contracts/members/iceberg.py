"""A connector that only tests know: an Iceberg-like table in a folder.

It reads a layout of its own, and no real Iceberg table: `metadata/version-hint.text` holds the number N of the newest
`metadata/vN.metadata.json`, and that file lists every snapshot with the Parquet files that it added (Iceberg lists them in Avro
manifests). Rows are only ever added.

Belongs here: everything that a kind of connector is, its declaration and its reader, without an edit to any file of the platform.
Does not belong here: tests (`test_connectors.py`).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any, ClassVar, Literal

import polars as pl
from pydantic import Field

from platform_assets.connectors.access import Access
from platform_assets.connectors.base import SAMPLE_ROWS, ChangeBatch, Inspection, Reader
from platform_assets.connectors.casting import event_days
from platform_assets.connectors.delivery import day_range
from platform_assets.connectors.errors import SourceError
from platform_assets.declaration import Source
from platform_assets.declaration.delivered_columns import (
    CHANGE_OPERATION,
    CHANGE_SEQUENCE,
    DELIVERED_DAY,
    SOURCE_POSITION,
    SOURCE_PROBLEM,
    UPSERT,
)
from platform_assets.declaration.sections.connectors.base import ConnectorDeclaration, ConnectorProblem


class IcebergConnector(ConnectorDeclaration):
    """Rows of an Iceberg-like table in a folder."""

    kind: Literal["iceberg"] = Field(description="An Iceberg-like table.")

    reader: ClassVar[str] = "platform_assets_tests.contracts.members.iceberg:ICEBERG"
    incremental_field: ClassVar[str] = "incremental"

    path: str = Field(description="Folder of the table, relative to the use case's folder.")
    incremental: bool = Field(default=False, description="Whether to follow its snapshots.")

    @property
    def is_incremental(self) -> bool:
        """As declared."""
        return self.incremental

    def problems(self, source: Source) -> Iterator[ConnectorProblem]:
        """Only folders of this machine can be read."""
        if "://" in self.path:
            yield ConnectorProblem(("connector", "path"), self.path, "only local folders can be read")


class IcebergReader(Reader[IcebergConnector]):
    """Reads the table's snapshots."""

    def inspect(
        self, source: Source, connector: IcebergConnector, folder: Path, day: date, cursor: str | None, access: Access
    ) -> Inspection:
        """As `Reader.inspect`."""
        _next_snapshot(source, cursor)
        snapshots = _snapshots(source, connector, folder)
        rows = pl.concat([_rows(source, connector, folder, snapshot) for snapshot in snapshots])
        return Inspection(rows.tail(SAMPLE_ROWS), f"{rows.height:,}", notes=(f"{len(snapshots)} snapshots",))

    def read_days(
        self,
        source: Source,
        connector: IcebergConnector,
        folder: Path,
        first_day: date | None,
        last_day: date | None,
        access: Access,
    ) -> pl.DataFrame:
        """As `Reader.read_days`: a row is delivered for the day of its event time."""
        snapshots = _snapshots(source, connector, folder)
        rows = pl.concat([_rows(source, connector, folder, snapshot) for snapshot in snapshots])
        if source.event_time is None:
            return rows
        days = event_days(rows[source.event_time]).alias(DELIVERED_DAY)
        return rows.with_columns(days).filter(pl.col(DELIVERED_DAY).is_between(*day_range(source, first_day, last_day)))

    def read_changes(
        self,
        source: Source,
        connector: IcebergConnector,
        folder: Path,
        cursor: str | None,
        max_rows: int,
        access: Access,
    ) -> ChangeBatch:
        """As `Reader.read_changes`: whole snapshots, as many as it takes to have `max_rows`."""
        snapshots = _snapshots(source, connector, folder)
        start = _next_snapshot(source, cursor)
        batch = _changes(_rows(source, connector, folder, snapshots[0]).head(0), 0)
        number = start
        while number < len(snapshots) and batch.height < max_rows:
            batch = pl.concat([batch, _changes(_rows(source, connector, folder, snapshots[number]), number)])
            number += 1
        unchanged = cursor is not None and number == start
        after = cursor if unchanged and cursor else json.dumps({"snapshots_read": number})
        return ChangeBatch(batch, after, number < len(snapshots))


ICEBERG = IcebergReader()


def append_snapshot(table: Path, rows: pl.DataFrame) -> None:
    """Add a snapshot with these rows, making the table where there is none: what its writer does."""
    metadata = table / "metadata"
    hint = metadata / "version-hint.text"
    version = int(hint.read_text()) if hint.exists() else 0
    content: dict[str, Any] = {"format-version": 2, "snapshots": []}
    if version:
        content = json.loads((metadata / f"v{version}.metadata.json").read_text())
    metadata.mkdir(parents=True, exist_ok=True)
    (table / "data").mkdir(exist_ok=True)
    name = f"data/{version:05}.parquet"
    rows.write_parquet(table / name)
    content["snapshots"].append({"snapshot-id": version + 1, "added-files": [name]})
    content["current-snapshot-id"] = version + 1
    (metadata / f"v{version + 1}.metadata.json").write_text(json.dumps(content))
    hint.write_text(str(version + 1))


def _snapshots(source: Source, connector: IcebergConnector, folder: Path) -> list[list[str]]:
    """The files that each snapshot added, oldest first."""
    metadata = folder / connector.path / "metadata"
    try:
        version = int((metadata / "version-hint.text").read_text())
        content = json.loads((metadata / f"v{version}.metadata.json").read_text())
        return [list(snapshot["added-files"]) for snapshot in content["snapshots"]]
    except (OSError, ValueError, KeyError) as error:
        raise SourceError(
            f"source '{source.name}': there is no table at {folder / connector.path} ({error}). Correct connector.path in defs.yaml."
        ) from error


def _rows(source: Source, connector: IcebergConnector, folder: Path, files: list[str]) -> pl.DataFrame:
    frames = []
    for name in files:
        rows = pl.read_parquet(folder / connector.path / name)
        key = pl.concat_str([pl.col(column).cast(pl.String) for column in source.primary_key], separator=",")
        frames.append(
            rows.with_columns(
                (pl.lit(f"iceberg:{name}:") + key).alias(SOURCE_POSITION),
                pl.lit(None, dtype=pl.Date).alias(DELIVERED_DAY),
                pl.lit(None, dtype=pl.String).alias(SOURCE_PROBLEM),
            )
        )
    return pl.concat(frames)


def _changes(rows: pl.DataFrame, snapshot: int) -> pl.DataFrame:
    return rows.with_columns(
        pl.lit(UPSERT).alias(CHANGE_OPERATION), pl.lit(snapshot, dtype=pl.Int64).alias(CHANGE_SEQUENCE)
    )


def _next_snapshot(source: Source, cursor: str | None) -> int:
    try:
        return 0 if cursor is None else int(json.loads(cursor)["snapshots_read"])
    except (ValueError, TypeError, KeyError) as error:
        raise SourceError(
            f"source '{source.name}': the cursor kept with its table is not one of snapshots: {cursor!r}. Load into a new table."
        ) from error
