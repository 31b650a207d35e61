"""Upkeep: the tables of a use case are compacted, files go that no kept version needs, and old pages of days.

Belongs here: which versions of which tables are kept, and upkeep of all tables and reports. Does not belong here: what is done to one table
(`lake/maintenance.py`) and what pins a version (`lake/pins.py`, `registry/pins.py`).
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl

from platform_assets.declaration import UseCase
from platform_assets.lake.catalog import Catalog
from platform_assets.lake.commits import Commit, HistoryEntry
from platform_assets.lake.maintenance import maintain
from platform_assets.lake.pins import Pin, lasting_versions
from platform_assets.lake.plots import plot_upkeep
from platform_assets.lake.schemas import UPKEEP_SCHEMA
from platform_assets.registry.base import ModelRegistry
from platform_assets.registry.pins import collect_pins

_PAGE_OF_A_DAY = re.compile(r"(?P<kind>.+)-(?P<day>\d{4}-\d{2}-\d{2})")


@dataclass(frozen=True)
class PinnedTables:
    """The stored tables of a use case, and what pins their versions.

    Attributes:
        tables: as `layer/table`.
        pins: every reason to keep a version.
        idle_holds: holds that keep nothing because the version was never written, each with the versions that there are.
    """

    tables: tuple[str, ...]
    pins: tuple[Pin, ...]
    idle_holds: tuple[str, ...] = ()


@dataclass(frozen=True)
class MaintainedTables:
    """What one upkeep did.

    Attributes:
        rows: a row for each table, with the columns of `UPKEEP_SCHEMA`.
        idle_holds: as in `PinnedTables`.
        commit: where the rows were stored; None for a dry run.
        plot: PNG of the bytes on disk over time; None for a dry run.
    """

    rows: pl.DataFrame
    idle_holds: tuple[str, ...]
    commit: Commit | None = None
    plot: bytes | None = None


def read_pins(catalog: Catalog, registry: ModelRegistry, now: datetime, keep_days: int | None = None) -> PinnedTables:
    """Every stored table of a use case, and every pin.

    Args:
        catalog: The tables of the use case.
        registry: Where its models are registered.
        now: The present.
        keep_days: Days that a replaced version stays readable, instead of the declared `retention.keep_days`.

    Raises:
        RegistryError: It cannot be determined what a model was made from.
    """
    use_case, tables = catalog.use_case, catalog.stored_names()
    histories = {f"{use_case.name}/{name}": catalog.stored(name).history(None) for name in tables}
    return PinnedTables(
        tuple(tables),
        tuple(collect_pins(use_case, catalog.training_sets, registry, histories, now, keep_days)),
        _idle_holds(use_case, histories, now.date()),
    )


def _idle_holds(use_case: UseCase, histories: Mapping[str, Sequence[HistoryEntry]], today: date) -> tuple[str, ...]:
    """Holds in force on versions that were never written: a slip, or meant for another installation of the same use case."""
    idle = []
    for hold in use_case.retention.holds:
        versions = [entry.version for entry in histories.get(f"{use_case.name}/{hold.table}", ())]
        if hold.is_in_force(today) and hold.version not in versions:
            known = f"its versions are {min(versions)} .. {max(versions)}" if versions else "there is no such table"
            idle.append(f"{hold.table} version {hold.version}, held for {hold.who} ({known})")
    return tuple(idle)


def remove_old_reports(folder: Path, keep_days: int, *, dry_run: bool = False) -> tuple[int, int]:
    """Remove pages of days, such as drift reports of several MB, that lie too far before the newest page of their kind.

    Args:
        folder: of a use case's reports; pages without a day in their name stay.
        keep_days: days before the newest one that stay.
        dry_run: remove nothing.

    Returns:
        How many files, and how many bytes, were removed or would be.
    """
    by_kind: dict[str, list[tuple[date, Path]]] = {}
    for path in folder.glob("*.html"):
        named = _PAGE_OF_A_DAY.fullmatch(path.stem)
        if named:
            by_kind.setdefault(named["kind"], []).append((date.fromisoformat(named["day"]), path))
    old = [path for pages in by_kind.values() for day, path in pages if day < max(pages)[0] - timedelta(days=keep_days)]
    freed = sum(path.stat().st_size for path in old)
    for path in old if not dry_run else ():
        path.unlink(missing_ok=True)
    return len(old), freed


def maintain_tables(
    catalog: Catalog,
    registry: ModelRegistry,
    *,
    keep_days: int | None,
    dry_run: bool,
    key: str,
    log: Callable[[str], None],
    warn: Callable[[str], None],
) -> MaintainedTables:
    """Compact every table of a use case, remove files that no kept version needs, and store what was done.

    Args:
        catalog: The tables of the use case.
        registry: Where its models are registered.
        keep_days: Instead of the declared `retention.keep_days`.
        dry_run: Change nothing, and report what would be removed.
        key: Names this upkeep: tried again under its name, its rows are not stored twice.
        log: Told of each table.
        warn: Told of each hold that keeps nothing.

    Raises:
        RegistryError: It cannot be determined what a model was made from; nothing was removed.
    """
    use_case, now = catalog.use_case, datetime.now(UTC)
    days = use_case.retention.keep_days if keep_days is None else keep_days
    pinned = read_pins(catalog, registry, now, days)
    for hold in pinned.idle_holds:
        warn(f"a declared hold keeps nothing here: {hold}. Correct retention.holds in defs.yaml if it is a slip.")
    rows = []
    for name in pinned.tables:
        versions = lasting_versions(pinned.pins, f"{use_case.name}/{name}")
        upkeep = maintain(
            catalog.lake.uri(use_case.name, *name.split("/")),
            catalog.lake.storage_options(),
            cluster_by=list(dict.fromkeys(column for entity in use_case.entities for column in entity.key_columns)),
            keep_versions=versions,
            keep_days=days,
            dry_run=dry_run,
            known=catalog.lake.known(use_case.name, *name.split("/")),
        )
        rows.append({"ran_at": now, "table": name, "kept_versions": len(versions), **asdict(upkeep)})
        log(f"{name}: {upkeep.removed_files} files removed, {len(versions)} versions kept")
    frame = pl.DataFrame(rows, schema=UPKEEP_SCHEMA)
    if dry_run:
        return MaintainedTables(frame, pinned.idle_holds)
    commit = catalog.upkeep.append(frame, idempotency_key=key, allow_empty=True)
    return MaintainedTables(frame, pinned.idle_holds, commit, plot_upkeep(catalog.upkeep.read()))
