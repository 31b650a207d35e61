"""Carried state on disk: one file for each view, with what it was made from.

Belongs here: writing the file, reading it back, and telling whether it is what the next day needs. Does not belong here: what a
state holds (`offline/carried_state.py`), or which files of which tables it was made from (`pipelines/compute_features.py`).

The file saves work and is never needed: it can be deleted at any time. It is used only where all of this is as recorded: the meaning
of the view, the midnight, the labels, the data files of every day in reach (Delta never changes a file, so the same names are the same
rows), and the rows themselves by a digest. A day that was loaded again, corrected, compacted or deleted since has other files.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path

import numpy as np
import polars as pl

from platform_assets.features.entity_state import StateLayout
from platform_assets.features.offline.carried_state import CarriedState
from platform_assets.lake.retries import polars_options

_RECORD = "platform_assets_carried_state"
_ROWS, _FORMAT = "rows", "2"


@dataclass(frozen=True)
class MadeFrom:
    """What a state was made from, as far as it matters for its use.

    Attributes:
        meaning: hash of what the view means.
        day: the midnight, in ISO format.
        labels_day: labels known at 00:00 of this day are in it, in ISO format.
        files: hash of the names of the data files of every day in reach.
    """

    meaning: str
    day: str
    labels_day: str
    files: str

    def differs(self, other: MadeFrom) -> list[str]:
        """Names of what is not the same."""
        return [name for name, value in asdict(self).items() if getattr(other, name) != value]


@dataclass(frozen=True, eq=False)
class StoredState:
    """What a look at the file gave.

    Attributes:
        state: the state, where it can be used.
        day: the midnight of the state in the file, usable or not; None where there is no readable file.
        why_not: why it cannot be used; empty where it can.
    """

    state: CarriedState | None
    day: date | None
    why_not: str


def load(layout: StateLayout, uri: str, needed: MadeFrom, options: Mapping[str, str] | None = None) -> StoredState:
    """The state in the file, if it is exactly what is needed.

    Args:
        layout: of the view.
        uri: the file's path, or its address in an object store.
        needed: what the state must have been made from.
        options: of the object store.
    """
    try:
        record = json.loads(pl.read_parquet_metadata(uri, storage_options=polars_options(options)).get(_RECORD, "{}"))
        digest, count, written = record.pop("digest"), record.pop(_ROWS), record.pop("format")
        made_from = MadeFrom(**record)
        day = date.fromisoformat(made_from.day)
    except FileNotFoundError:
        return StoredState(None, None, "there is none")
    except (OSError, KeyError, TypeError, ValueError, pl.exceptions.PolarsError) as error:
        return StoredState(None, None, f"the file cannot be read: {error}")
    differing = ["format"] if written != _FORMAT else needed.differs(made_from)
    if differing:
        return StoredState(None, day, f"made from another {', '.join(differing)}")
    try:
        rows = pl.read_parquet(uri, storage_options=polars_options(options))
    except (OSError, pl.exceptions.PolarsError) as error:
        return StoredState(None, day, f"the file cannot be read: {error}")
    expected = {layout.entity_key: layout.schema[layout.entity_key], **layout.list_types}
    if dict(rows.schema) != expected or len(rows) != count or _digest(rows) != digest:
        return StoredState(None, day, "the file is damaged")
    return StoredState(CarriedState(layout, day, rows, date.fromisoformat(made_from.labels_day)), day, "")


def save(state: CarriedState, made_from: MadeFrom, uri: str, options: Mapping[str, str] | None = None) -> None:
    """Replace the file by the state, atomically."""
    record = asdict(made_from) | {"digest": _digest(state.rows), _ROWS: len(state.rows), "format": _FORMAT}
    metadata = {_RECORD: json.dumps(record, sort_keys=True)}
    if "://" in uri:
        state.rows.write_parquet(
            uri,
            compression="uncompressed",
            statistics=False,
            metadata=metadata,
            storage_options=polars_options(options),
        )
        return
    path = Path(uri)
    path.parent.mkdir(parents=True, exist_ok=True)
    building = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        state.rows.write_parquet(building, compression="uncompressed", statistics=False, metadata=metadata)
        building.replace(path)
    finally:
        building.unlink(missing_ok=True)


def _digest(rows: pl.DataFrame) -> int:
    """A number that another content would hardly give; the same for the same version of polars."""
    if rows.is_empty():
        return 0
    return int(rows.hash_rows(seed=1).to_numpy().sum(dtype=np.uint64))
