"""Erase an entity: tables, old files, carried state, the log, the online store, and the record of it.

Belongs here: the order, and what is said of what is left. Does not belong here: telling rows (`person.py`).

Everything may be broken off and done again: what is gone already is not found again. The record is written last, but for lines of the log,
whose erasure is recorded before they go: an erased line without a record would look like a forged one.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import polars as pl

from platform_assets.declaration.names import PARITY
from platform_assets.deployment.serving_home import ServingHome
from platform_assets.lake.catalog import Catalog
from platform_assets.lake.erasure import OldFile, current_rows_of, erase_rows, old_files_with, remove_old_files
from platform_assets.lake.pins import Pin
from platform_assets.lake.schemas import ERASURE_SCHEMA
from platform_assets.monitoring.log_erasure import ErasedLines, commitments_of, erase_lines
from platform_assets.pipelines.audit import erasure_table
from platform_assets.pipelines.erase.person import ErasedEntity, erasure_key

PINNING = ("model", "training_set", "hold")
Log = Callable[[str], None]


@dataclass(frozen=True)
class ErasedTable:
    """What was erased of one table, or would be.

    Attributes:
        table: as `layer/table`.
        rows: of its newest version.
        old_files: files of older versions that held rows of the entity, removed with all their rows.
        kept_files: such files that a pin keeps, with what pins them.
    """

    table: str
    rows: int
    old_files: int
    kept_files: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class ErasedAll:
    """What one erasure did, or would do.

    Attributes:
        erasure: its id.
        entity: name of the entity and the keyed hash of its value.
        tables: those that had something.
        lines: of the services' log.
        online: what became of the online store, in words.
        left: what is left, and what to do about it.
    """

    erasure: str
    entity: str
    tables: Sequence[ErasedTable]
    lines: ErasedLines
    online: Sequence[str]
    left: Sequence[str]

    @property
    def found_nothing(self) -> bool:
        """Whether there was nothing of the entity anywhere."""
        return not self.tables and not self.lines.lines


@dataclass(frozen=True)
class ErasureRequest:
    """Who asked for an erasure, why, and how far it goes.

    Attributes:
        who: who carries it out.
        why: for the record; no personal value belongs in it.
        also_pinned: whether versions go too that models, training sets or holds keep: these models cannot be made again then.
        dry_run: change nothing.
    """

    who: str
    why: str
    also_pinned: bool = False
    dry_run: bool = False


def erase_entity(
    catalog: Catalog,
    entity: ErasedEntity,
    serving: ServingHome,
    pins: Sequence[Pin],
    request: ErasureRequest,
    online: Callable[[], Sequence[str]] | None = None,
    log: Log = lambda _: None,
) -> ErasedAll:
    """Erase an entity.

    Args:
        catalog: the tables.
        entity: whose rows go.
        serving: where the log and what was parsed of it are.
        pins: what keeps which versions.
        request: who asked, and how far it goes.
        online: erases the entity from the online store, once it is gone from the lake, and says what it did; None where there is no store.
        log: progress.

    Raises:
        LakeConflictError: other writers kept winning; run it again.
    """
    use_case, erasure = catalog.use_case, f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{uuid4().hex[:8]}"
    folder = serving.log_folder(use_case.name)
    tables = []
    for name in catalog.stored_names():
        found = _erase_table(catalog, name, entity, pins, request, erasure)
        if found is not None:
            tables.append(found)
            log(f"{name}: {found.rows} rows, {found.old_files} files of older versions")
    lines = erase_lines(folder, entity.mention, entity.is_line, erasure, dry_run=True)
    left = _left(catalog, tables, entity)
    who = f"{entity.entity.name} {entity.keyed_hash(erasure_key(Path(serving.home)))[:16]}"
    if request.dry_run:
        return ErasedAll(erasure, who, tables, lines, ("would be refreshed",) if online else (), left)
    if not tables and not lines.lines:
        return ErasedAll(erasure, who, (), lines, (), left)
    removed = {one.table: {"rows": one.rows, "old_files": one.old_files} for one in tables}
    _record(catalog, entity, serving, request, erasure, removed, left)
    if lines.lines:
        lines = _erase_log(catalog, entity, folder, erasure)
    for view in use_case.features:
        for uri in (catalog.carried_state_uri(view), catalog.online_events_uri(view)):
            Path(uri).unlink(missing_ok=True)  # made again when they are needed
    shutil.rmtree(serving.rollout_pieces(use_case.name), ignore_errors=True)
    said = tuple(online()) if online is not None else ()
    return ErasedAll(erasure, who, tables, lines, said, left)


def _erase_table(
    catalog: Catalog, name: str, entity: ErasedEntity, pins: Sequence[Pin], request: ErasureRequest, erasure: str
) -> ErasedTable | None:
    table = catalog.stored(name)
    columns = entity.columns(dict(pl.Schema(table.schema)))
    if not columns:
        return None
    rows = current_rows_of(table, columns, entity.belongs)
    own = [pin for pin in pins if pin.table == f"{catalog.use_case.name}/{name}" and pin.reason in PINNING]
    files = old_files_with(table, columns, entity.belongs, [pin.version for pin in own])
    if rows and not request.dry_run:
        erase_rows(table, list(rows), entity.belongs, {"erasure": erasure})
        files = old_files_with(table, columns, entity.belongs, [pin.version for pin in own])
    kept = [file for file in files if file.pinned_by and not request.also_pinned]
    gone = [file for file in files if file not in kept]
    if not request.dry_run:
        remove_old_files(table, gone)
    if not rows and not files:
        return None
    return ErasedTable(name, sum(rows.values()), len(gone), _pinned(kept, own))


def _pinned(kept: Sequence[OldFile], pins: Sequence[Pin]) -> dict[str, int]:
    """How many files each pin keeps."""
    counts: dict[str, int] = {}
    for pin in pins:
        number = sum(pin.version in file.pinned_by for file in kept)
        if number:
            counts[f"version {pin.version}, {pin.why}"] = number
    return counts


def _erase_log(catalog: Catalog, entity: ErasedEntity, folder: Path, erasure: str) -> ErasedLines:
    """Record which lines go, then let them go; one that came in between is recorded after it."""
    known = commitments_of(folder, entity.mention, entity.is_line)
    _record_lines(catalog, erasure, known)
    lines = erase_lines(folder, entity.mention, entity.is_line, erasure, dry_run=False)
    if set(lines.commitments) - set(known):
        _record_lines(catalog, erasure, [*known, *lines.commitments])
    return lines


def _record_lines(catalog: Catalog, erasure: str, commitments: Sequence[str]) -> None:
    table = erasure_table(catalog)
    row = table.read().filter(pl.col("erasure") == erasure)
    known = json.dumps(list(dict.fromkeys(commitments)))
    table.merge_rows(row.with_columns(pl.lit(known).alias("log_lines")), ["erasure"])


def _record(
    catalog: Catalog,
    entity: ErasedEntity,
    serving: ServingHome,
    request: ErasureRequest,
    erasure: str,
    removed: Mapping[str, Mapping[str, int]],
    left: Sequence[str],
) -> None:
    row = {
        "erasure": erasure,
        "at": datetime.now(UTC),
        "entity": entity.entity.name,
        "value_hash": entity.keyed_hash(erasure_key(Path(serving.home))),
        "who": request.who,
        "why": request.why,
        "removed": json.dumps(removed),
        "log_lines": "[]",
        "left": json.dumps(list(left)),
    }
    erasure_table(catalog).append(pl.DataFrame([row], schema=ERASURE_SCHEMA), idempotency_key=erasure)


def _left(catalog: Catalog, tables: Sequence[ErasedTable], entity: ErasedEntity) -> list[str]:
    """What is left of an entity after everything that can be erased here."""
    left = [
        f"{one.table}: {files} files of {why}; `--also-pinned` removes them, and that model cannot be made again"
        for one in tables
        for why, files in one.kept_files.items()
    ]
    trained = [one for one in tables if one.table.startswith("training/")]
    if trained:
        left.append(
            "models that were trained on these rows are as they were, and so are the samples of rows among their artifacts "
            "(latest_fold.parquet, sample.parquet): retrain, and delete their versions, where that is asked for"
        )
    parity = catalog.parity
    if parity.exists():
        said = parity.read()["mismatches"].str.contains(
            f'"{next(iter(entity.values))}": {next(iter(entity.values.values()))}'
        )
        if said.any():
            left.append(
                f"monitoring/{PARITY}: {int(said.sum())} days name the entity among mismatches; materialize them again"
            )
    left.append(
        "pages and reports written before, backups, the sources, and what Delta's log says of the smallest and largest key of removed files"
    )
    return left
