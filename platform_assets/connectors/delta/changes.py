"""Following a Delta table of others, version by version.

Belongs here: the first snapshot in pieces, then the changes of each commit. Does not belong here: opening and reading a
version (`versions.py`).

The table has to keep a change data feed. Without one deltalake derives changes from the files that a commit added and
removed, but only for commits that do not touch the schema.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import polars as pl

from platform_assets.connectors.access import Access
from platform_assets.connectors.base import ChangeBatch
from platform_assets.connectors.delta.days import with_positions
from platform_assets.connectors.delta.versions import data_files, file_rows, open_table, options, query, readable
from platform_assets.connectors.errors import SourceError
from platform_assets.connectors.marks import with_deletes
from platform_assets.connectors.written_forms import as_declared
from platform_assets.declaration.delivered_columns import CHANGE_OPERATION, CHANGE_SEQUENCE, CHANGE_TIME, DELETE, UPSERT
from platform_assets.declaration.sections.connectors.delta import DeltaConnector
from platform_assets.declaration.sections.sources import Source

_KIND, _VERSION, _TIME = "_change_type", "_commit_version", "_commit_timestamp"


@dataclass(frozen=True)
class DeltaCursor:
    """How far a table was followed."""

    version: int
    """The version that is being read, or was read last."""
    rows: int
    """How many rows of it were read while it is not complete, else 0; of a version that is read whole, of `file`."""
    snapshot: bool
    """Whether it is read whole, as the first one is."""
    file: str = ""
    """Path of the file of a version that is read whole; those before it in order were read."""

    @classmethod
    def of(cls, text: str, where: str) -> DeltaCursor:
        """Read a cursor's text.

        Raises:
            SourceError: If it is that of another kind of source.
        """
        try:
            content = json.loads(text)
            file, rows = str(content.get("file", "")), int(content["rows"])
            snapshot = bool(content["snapshot"])
            # Without a file it is a place of an older release, in an order that may have changed: the version is read again.
            return cls(int(content["version"]), 0 if snapshot and not file else rows, snapshot, file)
        except (ValueError, TypeError, KeyError) as error:
            raise SourceError(
                f"{where}: the cursor kept with its table is not one of a Delta table: {text[:80]!r}. The connector was "
                f"another one when it was written: load into a new table, or declare the former connector."
            ) from error

    def text(self) -> str:
        """The cursor as JSON."""
        place = {"file": self.file} if self.file else {}
        return json.dumps({"version": self.version, "rows": self.rows, "snapshot": self.snapshot, **place})


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
    if "columnMapping" in (table.protocol().reader_features or []) or _maps_columns(table):
        raise SourceError(
            f"{where}: the Delta table at {connector.uri} maps its columns to other names in its files, with which its change data feed "
            f"cannot be read. Read it by event day (connector.incremental: false), or have its owner write a copy without column mapping."
        )
    with readable(source, connector):
        if reached.snapshot:
            return _snapshot(source, connector, folder, reached, latest, max_rows, access)
        nothing = _changes(source, connector, as_declared(query(table, "false"), source), pl.lit(UPSERT), latest)
        return _commits(source, connector, table, reached, latest, max_rows, nothing, access)


def _maps_columns(table: Any) -> bool:
    """Whether a table of an older reader version maps columns."""
    return str(table.metadata().configuration.get("delta.columnMapping.mode", "none")).lower() != "none"


def _snapshot(
    source: Source,
    connector: DeltaConnector,
    folder: Path,
    reached: DeltaCursor,
    latest: int,
    max_rows: int,
    access: Access,
) -> ChangeBatch:
    """A piece of a version as a whole, file by file in order of their paths."""
    table = open_table(source, connector, folder, access, reached.version)
    empty = query(table, "false")
    frames, rows = [empty], 0
    after = DeltaCursor(reached.version, 0, snapshot=False)
    for file in data_files(table):
        if file.path < reached.file:
            continue
        if rows >= max_rows:
            after = DeltaCursor(reached.version, 0, snapshot=True, file=file.path)
            break
        found = file_rows(table, file, empty.schema, access)
        begun = reached.rows if file.path == reached.file else 0
        part = found.slice(begun, max_rows - rows)
        frames.append(part)
        rows += part.height
        if begun + part.height < found.height:
            after = DeltaCursor(reached.version, begun + part.height, snapshot=True, file=file.path)
            break
    rows_as_declared = as_declared(pl.concat(frames), source)
    frame = _changes(source, connector, rows_as_declared, pl.lit(UPSERT), reached.version)
    return ChangeBatch(frame, after.text(), after.snapshot or reached.version < latest)


def _commits(
    source: Source,
    connector: DeltaConnector,
    table: Any,
    reached: DeltaCursor,
    latest: int,
    max_rows: int,
    nothing: pl.DataFrame,
    access: Access,
) -> ChangeBatch:
    """Changes of the commits after the cursor, about `max_rows` of them."""
    frames = [nothing]
    rows = 0
    begun = reached if reached.rows else DeltaCursor(reached.version + 1, 0, snapshot=False)
    for version in range(begun.version, latest + 1):
        changed = _commit(source, connector, table, version, access)
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


def _commit(source: Source, connector: DeltaConnector, table: Any, version: int, access: Access) -> pl.DataFrame:
    """What one commit did to each key, in order of the keys.

    Raises:
        SourceError: If the commit does not tell.
    """
    _refuse_vectors(source, connector, table, version, access)
    reader = table.load_cdf(starting_version=version, ending_version=version)
    rows = as_declared(pl.DataFrame(reader.read_all()), source)
    keys = [name for name in source.primary_key if name in rows.columns]
    was = pl.col(_KIND).is_in(["delete", "update_preimage"])
    kept, gone = rows.filter(~was), rows.filter(was)
    if keys:  # a key that a row left is gone, unless a row of the same commit has it afterwards
        gone = gone.join(kept, on=keys, how="anti", nulls_equal=True)
        rows = pl.concat([kept, gone]).sort(keys, maintain_order=True)
    operation = pl.when(was).then(pl.lit(DELETE)).otherwise(pl.lit(UPSERT))
    return _changes(source, connector, rows, operation, version)


def _refuse_vectors(source: Source, connector: DeltaConnector, table: Any, version: int, access: Access) -> None:
    """The reader takes the wrong rows of files whose deletion vector a commit sets without writing the changes themselves."""
    if "deletionVectors" not in (table.protocol().reader_features or []):
        return
    log = f"{table.table_uri.rstrip('/')}/_delta_log/{version:020}.json"
    path = unquote(log.removeprefix("file://"))
    lines = pl.read_csv(
        path, has_header=False, separator="\x01", quote_char=None, storage_options=options(access, path)
    ).to_series()
    actions = [json.loads(line) for line in lines]
    if any("cdc" in action for action in actions):
        return
    touched = [action[kind] for action in actions for kind in ("add", "remove") if kind in action]
    if any(action.get("deletionVector") and action.get("dataChange", True) for action in touched):
        raise SourceError(
            f"source '{source.name}': version {version} of the Delta table at {connector.uri} sets deletion vectors without writing its "
            f"changes, so that they cannot be told. Load into a new table: a first read takes the version as it is."
        )


def _changes(
    source: Source, connector: DeltaConnector, rows: pl.DataFrame, operation: pl.Expr, version: int
) -> pl.DataFrame:
    """Rows of one commit as changes."""
    placed = with_positions(rows, source, version).with_columns(
        operation.alias(CHANGE_OPERATION), pl.lit(version, dtype=pl.Int64).alias(CHANGE_SEQUENCE)
    )
    if _TIME in placed.columns:
        placed = placed.with_columns(pl.col(_TIME).cast(pl.Datetime("us", "UTC")).alias(CHANGE_TIME))
    return with_deletes(placed.drop(_KIND, _VERSION, _TIME, strict=False), connector.deleted)


def _stacked(frames: list[pl.DataFrame]) -> pl.DataFrame:
    """Commits may differ in columns that were added meanwhile."""
    return pl.concat(frames, how="diagonal_relaxed")
