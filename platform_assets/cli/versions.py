"""`platform-assets versions`: what a table was at each commit, as it was at a time, and which versions are kept and why.

Belongs here: the command and what it prints. Does not belong here: reading a version (`lake/`) or collecting pins
(`registry/pins.py`).
"""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, time
from typing import TYPE_CHECKING, Annotated

import typer

from platform_assets.cli.answer import AsJson, CommandAnswer, ListedColumn, Listing, answering, plain_table

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from platform_assets.installation import Installation
    from platform_assets.lake.catalog import Catalog
    from platform_assets.lake.pins import Pin
    from platform_assets.lake.table import LakeTable
    from platform_assets.pipelines.maintain import PinnedTables

SAMPLE_ROWS = 8
_WIDEST_VALUE = 60


def versions(
    table: Annotated[
        str | None, typer.Argument(help="`use_case/layer/table`, or `use_case` to list its tables.", show_default=False)
    ] = None,
    at: Annotated[
        str | None, typer.Option(help="Show rows as of a version or a time: 12, 2018-06-01, 2018-06-01T09:30.")
    ] = None,
    pins: Annotated[bool, typer.Option("--pins", help="List versions that are kept, and why.")] = False,
    limit: Annotated[int, typer.Option(min=1, help="Newest versions to show.")] = 20,
    as_json: AsJson = False,
) -> None:
    """Versions of stored tables: when, by what, how many rows, kept by what; rows as of a version or a time."""

    with answering(as_json) as answer:
        show(table, at, pins, limit, answer)


def show(
    name: str | None, at: str | None, pins: bool, limit: int, answer: CommandAnswer, now: datetime | None = None
) -> None:
    """Print what was asked for.

    Raises:
        ValueError: when the table or the time cannot be understood.
        LakeError: when the table or the version is gone.
    """
    from platform_assets.declaration.loader import declared_use_cases
    from platform_assets.installation import Installation

    installation, moment = Installation.from_environment(), now or datetime.now(UTC)
    parts = [part for part in (name or "").split("/") if part]
    if len(parts) not in (0, 1, 3):
        raise ValueError(f"{name!r} names no table: write use_case/layer/table, or a use case alone to list its tables")
    use_cases = [declared.use_case for declared in declared_use_cases(parts[0] if parts else None)]
    if len(parts) == 3:
        catalog = installation.catalog(use_cases[0])
        read_pins = lambda: _pinned(installation, catalog, moment).pins  # noqa: E731
        _show_table(catalog, "/".join(parts), at, pins, limit, read_pins, answer)
        return
    if at is not None:
        raise ValueError("--at shows the rows of one table: name it as use_case/layer/table")
    for use_case in use_cases:
        catalog = installation.catalog(use_case)
        pinned = _pinned(installation, catalog, moment)
        if pins:
            _show_pins(catalog, pinned.pins, answer)
        else:
            _show_tables(catalog, pinned, answer)


def _show_table(
    catalog: Catalog,
    name: str,
    at: str | None,
    pins: bool,
    limit: int,
    read_pins: Callable[[], Sequence[Pin]],
    answer: CommandAnswer,
) -> None:
    """Print rows, pins or versions of one table."""
    table = _existing(catalog, name.partition("/")[2])
    if at is not None:
        _show_rows(catalog, table, name, at, answer)
    elif pins:
        _show_pins(catalog, [pin for pin in read_pins() if pin.table == name], answer)
    else:
        _show_history(table, name, read_pins(), limit, answer)


def moment_of(text: str) -> int | datetime:
    """A version, or a time in UTC; a day is its last moment.

    Raises:
        ValueError: when it is neither.
    """
    if text.isdecimal():
        return int(text)
    try:
        if len(text) == len("2018-06-01"):
            return datetime.combine(date.fromisoformat(text), time.max, tzinfo=UTC)
        parsed = datetime.fromisoformat(text)
    except ValueError as error:
        raise ValueError(
            f"{text!r} is neither a version nor a time: write 12, 2018-06-01 or 2018-06-01T09:30"
        ) from error
    return parsed.replace(tzinfo=UTC) if parsed.tzinfo is None else parsed.astimezone(UTC)


def _existing(catalog: Catalog, name: str) -> LakeTable:
    from platform_assets.lake.errors import LakeTableMissing

    try:
        return catalog.stored(name)
    except LakeTableMissing as error:
        known = ", ".join(catalog.stored_names()) or "none yet"
        raise LakeTableMissing(f"{error}. Tables of {catalog.use_case.name} that are there: {known}") from error


def _pinned(installation: Installation, catalog: Catalog, now: datetime) -> PinnedTables:
    from platform_assets.pipelines.maintain import read_pins

    installation.settings.prepare()
    return read_pins(catalog, installation.models.registry(), now)


def _show_rows(catalog: Catalog, table: LakeTable, name: str, at: str, answer: CommandAnswer) -> None:
    from platform_assets.cli.console import console
    from platform_assets.lake.errors import LakeVersionMissing

    moment = moment_of(at)
    version = moment if isinstance(moment, int) else table.version_at(moment)
    try:
        old = catalog.stored(name.partition("/")[2], version)
        rows = old.scan(version=version, ordered=False).head(SAMPLE_ROWS).collect()
    except LakeVersionMissing as error:
        raise LakeVersionMissing(
            f"{str(error).rstrip('.')}. `platform-assets versions {name}` shows which versions are kept."
        ) from error
    console.print(
        f"[bold]{name}[/] version {version}: {old.row_count(version=version):,} rows, {len(old.schema)} columns"
    )
    answer.put("table", name)
    answer.put("version", version)
    answer.put("rows", rows.to_dicts())
    printed = plain_table(*rows.columns)
    for row in rows.iter_rows():
        printed.add_row(*(_short(value) for value in row))
    console.print(printed)


def _show_history(table: LakeTable, name: str, pins: Sequence[Pin], limit: int, answer: CommandAnswer) -> None:
    from rich.markup import escape

    from platform_assets.cli.console import console
    from platform_assets.lake.versions import is_readable

    reasons: dict[int, list[str]] = {}
    for pin in sorted(pins, key=lambda pin: pin.reason == "keep_days"):
        if pin.table == name:
            reasons.setdefault(pin.version, []).append(pin.why)
    columns = (
        ListedColumn("table", hidden=True),
        ListedColumn("version", right=True),
        ListedColumn("committed_at", "committed (UTC)", shown=lambda at: f"{at:%Y-%m-%d %H:%M:%S}"),
        ListedColumn("operation"),
        ListedColumn("rows", right=True, shown="{:,}".format),
        ListedColumn("readable", shown=lambda readable: "yes" if readable else "[red]gone[/]"),
        ListedColumn("kept_by", shown=lambda kept: escape(_listed(kept))),
        ListedColumn("metadata", shown=lambda found: escape(_short(json.dumps(found)) if found else "")),
    )
    listing, history = Listing(f"versions of {name}", columns), table.history(limit)
    for entry in history:
        listing.add(
            table=name,
            version=entry.version,
            committed_at=entry.committed_at,
            operation=entry.operation,
            rows=entry.rows,
            readable=is_readable(table, entry.version),
            kept_by=reasons.get(entry.version, []),
            metadata=entry.metadata,
        )
    answer.show("versions", listing)
    older = [version for version in reasons if history and version < history[-1].version]
    if older:
        console.print(f"[dim]{len(older)} older versions are kept as well: raise --limit, or ask with --pins[/]")


def _show_tables(catalog: Catalog, pinned: PinnedTables, answer: CommandAnswer) -> None:
    from platform_assets.lake.versions import file_count

    use_case = catalog.use_case.name
    columns = (
        ListedColumn("use_case", hidden=True),
        ListedColumn("table"),
        ListedColumn("version", right=True),
        ListedColumn("rows", right=True, shown="{:,}".format),
        ListedColumn("bytes", "MB", right=True, shown=lambda size: f"{size / 1e6:,.1f}"),
        ListedColumn("files", right=True, shown="{:,}".format),
        ListedColumn("versions_kept", right=True),
    )
    listing = Listing(f"tables of {use_case}", columns)
    for name in pinned.tables:
        table = catalog.stored(name)
        versions_kept = {pin.version for pin in pinned.pins if pin.table == f"{use_case}/{name}"}
        listing.add(
            use_case=use_case,
            table=name,
            version=table.version(),
            rows=table.row_count(),
            bytes=table.size_bytes(),
            files=file_count(table),
            versions_kept=len(versions_kept),
        )
    answer.show("tables", listing)


def _show_pins(catalog: Catalog, pins: Sequence[Pin], answer: CommandAnswer) -> None:
    from rich.markup import escape

    from platform_assets.cli.console import console

    use_case = catalog.use_case
    lasting: dict[tuple[str, int], list[str]] = {}
    by_age: dict[str, set[int]] = {}
    for pin in pins:
        if pin.reason == "keep_days":
            by_age.setdefault(pin.table, set()).add(pin.version)
        else:
            lasting.setdefault((pin.table, pin.version), []).append(pin.why)
    columns = (
        ListedColumn("table"),
        ListedColumn("version", right=True),
        ListedColumn("kept_by", shown=lambda why: escape("; ".join(why))),
    )
    listing = Listing(f"kept versions of {use_case.name}", columns)
    for (table, version), reasons in lasting.items():
        listing.add(table=table, version=version, kept_by=reasons)
    answer.show("kept", listing)
    young = {table: kept - {version for name, version in lasting if name == table} for table, kept in by_age.items()}
    counted = ", ".join(f"{table.partition('/')[2]} {len(kept)}" for table, kept in young.items() if kept)
    answer.put("kept_for_a_while", {table: len(kept) for table, kept in young.items() if kept})
    if counted:
        days = use_case.retention.keep_days
        console.print(f"[dim]replaced less than {days} days ago, and kept until then: {counted}[/]")


def _listed(reasons: Sequence[str]) -> str:
    shown = "; ".join(reasons[:2])
    return f"{shown}; and {len(reasons) - 2} more" if len(reasons) > 2 else shown


def _short(value: object) -> str:
    text = "" if value is None else str(value)
    return text if len(text) <= _WIDEST_VALUE else f"{text[: _WIDEST_VALUE - 1]}…"
