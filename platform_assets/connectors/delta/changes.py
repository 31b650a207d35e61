"""Following a Delta table of others, version by version.

Belongs here: the first snapshot in pieces, then the changes of each commit. Does not belong here: opening and reading a
version (`days.py`).

The table has to keep a change data feed. Without one deltalake derives changes from the files that a commit added and
removed, but only for commits that do not touch the schema.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from platform_assets.connectors.access import Access
from platform_assets.connectors.base import ChangeBatch
from platform_assets.connectors.delta.days import open_table, readable, scan, with_positions
from platform_assets.connectors.errors import SourceError
from platform_assets.declaration.delivered_columns import CHANGE_OPERATION, CHANGE_SEQUENCE, DELETE, UPSERT
from platform_assets.declaration.sections.connectors.delta import DeltaConnector
from platform_assets.declaration.sections.sources import Source

_KIND, _VERSION, _TIME = "_change_type", "_commit_version", "_commit_timestamp"


@dataclass(frozen=True)
class DeltaCursor:
    """How far a table was followed."""

    version: int
    """The version that is being read, or was read last."""
    rows: int
    """How many rows of it were read while it is not complete, else 0."""
    snapshot: bool
    """Whether it is read whole, as the first one is."""

    @classmethod
    def of(cls, text: str, where: str) -> DeltaCursor:
        """Read a cursor's text.

        Raises:
            SourceError: If it is that of another kind of source.
        """
        try:
            content = json.loads(text)
            return cls(int(content["version"]), int(content["rows"]), bool(content["snapshot"]))
        except (ValueError, TypeError, KeyError) as error:
            raise SourceError(
                f"{where}: the cursor kept with its table is not one of a Delta table: {text[:80]!r}. The connector was "
                f"another one when it was written: load into a new table, or declare the former connector."
            ) from error

    def text(self) -> str:
        """The cursor as JSON."""
        return json.dumps({"version": self.version, "rows": self.rows, "snapshot": self.snapshot})


def read_delta_changes(
    source: Source, connector: DeltaConnector, folder: Path, cursor: str | None, max_rows: int, access: Access
) -> ChangeBatch:
    """First all rows of the version found, then what each later commit changed; the sequence is the version.

    Raises:
        SourceError: If the table is gone, is an older one than the cursor's, or lacks files of the versions asked for.
    """
    table = open_table(source, connector, folder, access)
    latest = int(table.version())
    where = f"source '{source.name}'"
    reached = DeltaCursor(latest, 0, snapshot=True) if cursor is None else DeltaCursor.of(cursor, where)
    if reached.version > latest:
        raise SourceError(
            f"source '{source.name}': the Delta table at {connector.uri} has version {latest}, and version "
            f"{reached.version} was read before: it was made anew. Load into a new table."
        )
    if table.metadata().configuration.get("delta.enableChangeDataFeed", "").lower() != "true":
        raise SourceError(
            f"{where}: the Delta table at {connector.uri} keeps no change data feed. Have its owner set the property "
            f"delta.enableChangeDataFeed to true, or read it by event day (connector.incremental: false)."
        )
    with readable(source, connector):
        if reached.snapshot:
            return _snapshot(source, connector, folder, reached, latest, max_rows, access)
        nothing = _changes(source, scan(table, access).head(0).collect(), pl.lit(UPSERT), latest)
        return _commits(source, table, reached, latest, max_rows, nothing)


def _snapshot(
    source: Source,
    connector: DeltaConnector,
    folder: Path,
    reached: DeltaCursor,
    latest: int,
    max_rows: int,
    access: Access,
) -> ChangeBatch:
    """A piece of a version as a whole. The order of its rows is that of its files, which no later commit changes."""
    table = open_table(source, connector, folder, access, reached.version)
    rows = scan(table, access).slice(reached.rows, max_rows + 1).collect()
    left = rows.height > max_rows
    frame = _changes(source, rows.head(max_rows), pl.lit(UPSERT), reached.version)
    after = DeltaCursor(reached.version, reached.rows + max_rows if left else 0, snapshot=left)
    return ChangeBatch(frame, after.text(), left or reached.version < latest)


def _commits(
    source: Source, table: Any, reached: DeltaCursor, latest: int, max_rows: int, nothing: pl.DataFrame
) -> ChangeBatch:
    """Changes of the commits after the cursor, about `max_rows` of them."""
    frames = [nothing]
    rows = 0
    begun = reached if reached.rows else DeltaCursor(reached.version + 1, 0, snapshot=False)
    for version in range(begun.version, latest + 1):
        changed = _commit(source, table, version)
        part = changed.slice(begun.rows, max_rows - rows)
        frames.append(part)
        rows += part.height
        if begun.rows + part.height < changed.height:
            after = DeltaCursor(version, begun.rows + part.height, snapshot=False)
            return ChangeBatch(_stacked(frames), after.text(), True)
        reached = begun = DeltaCursor(version, 0, snapshot=False)
        if rows >= max_rows:
            break
    return ChangeBatch(_stacked(frames), reached.text(), reached.version < latest)


def _commit(source: Source, table: Any, version: int) -> pl.DataFrame:
    """What one commit did to each key, in order of the keys."""
    reader = table.load_cdf(starting_version=version, ending_version=version)
    rows = pl.DataFrame(reader.read_all()).filter(pl.col(_KIND) != "update_preimage")
    keys = [name for name in source.primary_key if name in rows.columns]
    kept = rows.filter(pl.col(_KIND) != "delete")
    gone = rows.filter(pl.col(_KIND) == "delete")
    if keys:  # a row that was removed and added again in one commit was changed
        gone = gone.join(kept, on=keys, how="anti", nulls_equal=True)
        rows = pl.concat([kept, gone]).sort(keys, maintain_order=True)
    operation = pl.when(pl.col(_KIND) == "delete").then(pl.lit(DELETE)).otherwise(pl.lit(UPSERT))
    return _changes(source, rows, operation, version)


def _changes(source: Source, rows: pl.DataFrame, operation: pl.Expr, version: int) -> pl.DataFrame:
    """Rows of one commit as changes."""
    placed = with_positions(rows, source, version).with_columns(
        operation.alias(CHANGE_OPERATION), pl.lit(version, dtype=pl.Int64).alias(CHANGE_SEQUENCE)
    )
    return placed.drop(_KIND, _VERSION, _TIME, strict=False)


def _stacked(frames: list[pl.DataFrame]) -> pl.DataFrame:
    """Commits may differ in columns that were added meanwhile."""
    return pl.concat(frames, how="diagonal_relaxed")
