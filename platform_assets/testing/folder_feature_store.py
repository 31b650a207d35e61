"""A feature store in a folder: the smallest one that passes the suite, to begin your own from.

Belongs here: that store, which shows what each call has to do. Does not belong here: the suite (`feature_store_suite.py`), or a store for
production: a folder is on one machine.

Copy it into the use case's folder, change what reads and writes, and declare

    feature_store: custom
    custom_feature_store: {opened_by: "platform_assets.defs.USE_CASE.our_store:open_store", settings: {folder: /srv/features}}
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl

from platform_assets.features.feature_stores.base import FeatureStoreError, PublishedTable, rows_of_day


def open_store(settings: Mapping[str, str], variables: Mapping[str, str]) -> FolderFeatureStore:
    """The store; this function is what a declaration names as `opened_by`.

    Args:
        settings: `custom_feature_store.settings`; this store needs `folder`.
        variables: the environment and the secrets of the installation, for stores that sign in somewhere.

    Raises:
        FeatureStoreError: a setting lacks.
    """
    if "folder" not in settings:
        raise FeatureStoreError("custom_feature_store.settings lacks `folder`: say where tables are to be published")
    return FolderFeatureStore(Path(settings["folder"]))


@dataclass(frozen=True)
class FolderFeatureStore:
    """A folder for each table: its description as JSON, and a Parquet file for each day.

    Attributes:
        root: the folder.
    """

    root: Path

    def apply(self, table: PublishedTable) -> None:
        """Make the table known; one that is there stays."""
        found = self.described(table.name)
        if found is not None:
            table.require_same(
                found, f"folder {self.root}", f"Move {self.root / table.name} away, and publish its days again"
            )
            return
        (self.root / table.name).mkdir(parents=True, exist_ok=True)
        schema = pl.DataFrame(schema=dict(table.columns))
        schema.write_parquet(self.root / table.name / "columns.parquet")
        described: dict[str, Any] = {
            "description": table.description,
            "key": list(table.key),
            "time_column": table.time_column,
            "location": table.location,
        }
        _put(self.root / table.name / "table.json", json.dumps(described).encode())

    def described(self, name: str) -> PublishedTable | None:
        """The table as it was made known; None where it never was."""
        path = self.root / name / "table.json"
        if not path.exists():
            return None
        found = json.loads(path.read_text(encoding="utf-8"))
        columns = pl.read_parquet_schema(self.root / name / "columns.parquet")
        return PublishedTable(
            name, found["description"], columns, tuple(found["key"]), found["time_column"], found["location"]
        )

    def take_day(self, table: PublishedTable, day: date, rows: pl.DataFrame) -> None:
        """Replace the day's file; a reader sees the old one or the new one."""
        given = rows_of_day(rows, table, day)
        if self.described(table.name) is None:
            raise FeatureStoreError(f"folder {self.root} knows no table {table.name}: apply it first")
        path = self.root / table.name / f"{day}.parquet"
        beside = path.with_suffix(".new")
        given.write_parquet(beside)
        beside.replace(path)

    def read_day(self, table: PublishedTable, day: date) -> pl.DataFrame:
        """The day's rows; none for a day that was never taken."""
        path = self.root / table.name / f"{day}.parquet"
        return pl.read_parquet(path) if path.exists() else pl.DataFrame(schema=dict(table.columns))


def _put(path: Path, content: bytes) -> None:
    beside = path.with_suffix(".new")
    beside.write_bytes(content)
    beside.replace(path)
