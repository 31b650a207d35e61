"""The rows of one version of a Delta table of others, as its log describes them.

Belongs here: opening a version, rows by a condition, and rows file by file. Does not belong here: which rows are wanted (`days.py`,
`changes.py`), and the tables of this platform (`lake/`).

Values of partition columns stand in the log; a writer is free to lay its files into any folders. Files may hold columns under other
names (column mapping), and rows that were deleted since (deletion vectors).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import polars as pl

from platform_assets.connectors.access import Access
from platform_assets.connectors.errors import SourceError
from platform_assets.declaration.sections.connectors.delta import DeltaConnector
from platform_assets.declaration.sections.sources import Source

_GONE = ("no such file", "not found", "notfound")
_UNKNOWN_FEATURE = ("reader features", "reader feature", "not supported", "unsupported", "reader version")


@dataclass(frozen=True)
class DataFile:
    """A file of a version."""

    path: str
    """As the log names it: relative to the table, or an address; percent-encoded."""
    address: str
    partition: dict[str, Any]
    """Values of the partition columns by name."""
    kept: list[bool] | None
    """Which of its first rows still are; None where all of them are."""


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


@contextmanager
def readable(source: Source, connector: DeltaConnector) -> Iterator[None]:
    """Turn errors of deltalake and polars into messages that name the table and the remedy."""
    from deltalake.exceptions import TableNotFoundError

    where = f"source '{source.name}': the Delta table at {connector.uri}"
    try:
        yield
    except SourceError:
        raise
    except TableNotFoundError as error:
        raise SourceError(
            f"source '{source.name}': there is no Delta table at {connector.uri}. Correct connector.uri in defs.yaml, or "
            f"wait until its owner has written it."
        ) from error
    except Exception as error:
        text = str(error).strip()
        reason = text.lower()
        advice = (
            "Check that it may be reached (PLATFORM_ASSETS_OBJECT_STORE for s3://), and that its log and its files are whole: its owner "
            "can restore a version that is"
        )
        if any(words in reason for words in _GONE):
            advice = (
                "Check that it may be reached (PLATFORM_ASSETS_OBJECT_STORE for s3://) and that its files were not removed by a vacuum: "
                "its owner has to keep the versions that are not read yet"
            )
        elif any(words in reason for words in _UNKNOWN_FEATURE):
            advice = (
                "It uses a feature that the reader does not know: have its owner drop it (ALTER TABLE ... DROP FEATURE), or write a copy "
                "without it"
            )
        raise SourceError(f"{where} cannot be read: {text or type(error).__name__}. {advice}.") from error


def query(table: Any, condition: str = "", columns: str = "*") -> pl.DataFrame:
    """Rows of the version that the table was opened at.

    Args:
        table: An opened table.
        condition: SQL of what holds for each row; files of which the log says that none does are not opened.
        columns: SQL of the columns.
    """
    from deltalake import QueryBuilder

    where = f" WHERE {condition}" if condition else ""
    found = QueryBuilder().register("delivered", table).execute(f"SELECT {columns} FROM delivered{where}")
    return pl.DataFrame(found.read_all())


def data_files(table: Any) -> list[DataFile]:
    """The files of the version, in order of their path, which no checkpoint changes."""
    root, kept = table.table_uri.rstrip("/"), _kept_rows(table)
    files = []
    for action in pl.DataFrame(table.get_add_actions()).sort("path").iter_rows(named=True):
        path = action["path"]
        encoded = path if "://" in path else f"{root}/{path}"
        is_local = encoded.startswith("file://")
        address = unquote(encoded.removeprefix("file://")) if is_local else encoded.removesuffix(path) + unquote(path)
        files.append(DataFile(path, address, action.get("partition") or {}, kept.get(encoded)))
    return files


def _kept_rows(table: Any) -> dict[str, list[bool]]:
    """Of each file with a deletion vector, by its encoded address, which of its rows still are."""
    if "deletionVectors" not in (table.protocol().reader_features or []):
        return {}
    vectors = pl.DataFrame(table.deletion_vectors().read_all())
    return dict(vectors.select("filepath", "selection_vector").iter_rows())


def file_rows(table: Any, file: DataFile, schema: pl.Schema, access: Access) -> pl.DataFrame:
    """The rows of a file in the columns of the table's schema."""
    frame = pl.read_parquet(
        file.address, storage_options=options(access, file.address), glob=False, hive_partitioning=False
    )
    if file.kept is not None:
        kept = pl.Series(file.kept + [True] * (frame.height - len(file.kept)), dtype=pl.Boolean)
        frame = frame.filter(kept)
    names = _stored_names(table)
    columns = []
    for name, dtype in schema.items():
        if name in file.partition:
            columns.append(pl.lit(file.partition[name]).cast(dtype).alias(name))
        elif names[name] in frame.columns:
            columns.append(pl.col(names[name]).cast(dtype).alias(name))
        else:
            columns.append(pl.lit(None, dtype=dtype).alias(name))
    # A frame of literals alone has one row.
    return frame.with_row_index("#row").select("#row", *columns).drop("#row")


def _stored_names(table: Any) -> dict[str, str]:
    """The name that each column has in the files."""
    fields = json.loads(table.schema().to_json())["fields"]
    return {field["name"]: field["metadata"].get("delta.columnMapping.physicalName", field["name"]) for field in fields}
