"""Verify the tables of a use case, and take one as it is for right.

Belongs here: going through the tables of a use case; a decision of a person with its reason. Does not belong here: reading a table
(`lake/verification.py`), printing (`cli/lake.py`).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime

from platform_assets.lake import storage
from platform_assets.lake.catalog import Catalog
from platform_assets.lake.errors import LakeTableMissing
from platform_assets.lake.folders import StoredFolder
from platform_assets.lake.known_versions import KnownVersion, accept, known_uri, last_known
from platform_assets.lake.layout import table_uri
from platform_assets.lake.verification import VerifiedTable, known_tables, verify_table


def verify_lake(catalog: Catalog) -> Iterator[tuple[str, VerifiedTable]]:
    """Every table of the use case that is there or was, one after the other, as `use_case/layer/table`."""
    root, options, name = catalog.lake.root, catalog.lake.storage_options(), catalog.use_case.name
    for path in sorted({*catalog.stored_names(), *known_tables(root, name, options)}):
        layer, _, table = path.partition("/")
        found = verify_table(table_uri(root, name, layer, table), known_uri(root, name, layer, table), options)
        yield f"{name}/{path}", found


def refuse_damaged(catalog: Catalog) -> None:
    """Hold every table of the use case against its last known version, so that what is done already is no reason not to look.

    Raises:
        LakeDamaged: a table is older than what was written, is another one, or is gone.
    """
    root, options, name = catalog.lake.root, catalog.lake.storage_options(), catalog.use_case.name
    for path in known_tables(root, name, options):
        layer, _, table = path.partition("/")
        known = known_uri(root, name, layer, table)
        if last_known(known, options) is not None:
            storage.open_table(table_uri(root, name, layer, table), options, known=known)


def accept_table(catalog: Catalog, path: str, who: str, why: str) -> KnownVersion | None:
    """Take a table as it is for right: a copy that was put back, or one that was removed to be made again.

    Args:
        catalog: the tables.
        path: `layer/table`.
        who: who decides.
        why: the reason, kept beside what is known of the table.

    Returns:
        What is known of it now; None where the table is gone.

    Raises:
        ValueError: nobody, no reason or no table is named.
        LakeDamaged: its log cannot be read, so that nobody can say what it is.
    """
    layer, _, table = path.partition("/")
    if not who.strip() or not why.strip():
        raise ValueError("say who decides and why: both are kept for those who look later (--who, --why)")
    root, options, name = catalog.lake.root, catalog.lake.storage_options(), catalog.use_case.name
    if path not in {*catalog.stored_names(), *known_tables(root, name, options)}:
        raise ValueError(
            f"there is no table {name}/{path}, and nothing is known of one; `platform-assets versions` lists them"
        )
    uri, known_at = table_uri(root, name, layer, table), known_uri(root, name, layer, table)
    try:
        opened = storage.open_table(uri, options)
    except LakeTableMissing:
        opened = None
    now = accept(known_at, opened, uri, options)
    moment = datetime.now(UTC)
    decision = {"at": moment.isoformat(), "who": who, "why": why, "version": None if now is None else now.version}
    StoredFolder(known_at, options).write(f"accepted/{moment:%Y%m%dT%H%M%S%f}.json", json.dumps(decision).encode())
    return now
