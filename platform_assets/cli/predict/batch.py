"""`platform-assets predict batch`: the predictions of a whole table, with progress.

Belongs here: from what a person types to table, use case and target, and what is printed. Does not belong here: predicting
(`pipelines/predict_table.py`).
"""

from __future__ import annotations

import os
from time import monotonic
from typing import TYPE_CHECKING

from platform_assets.cli.console import console
from platform_assets.declaration.loader import declared_use_cases
from platform_assets.installation import Installation
from platform_assets.lake.errors import LakeTableMissing
from platform_assets.pipelines.predict_table import TableToPredict, predict_table
from platform_assets.settings import source_access

if TYPE_CHECKING:
    from platform_assets.declaration import UseCase

_REPORT_SECONDS = 5.0


def predict(wanted: TableToPredict, use_case: str | None) -> None:
    """Score the table and print what was done.

    Raises:
        ValueError: no use case is named, and there are several.
        PredictionError, TableUnreadable, RegistryError, DaysMissing: see `predict_table`.
    """
    installation = Installation.from_environment()
    case, table = _named(installation, wanted.source, use_case)
    installation.settings.prepare()
    started = printed_at = monotonic()

    def report(line: str) -> None:
        nonlocal printed_at
        if monotonic() - printed_at > _REPORT_SECONDS:
            printed_at = monotonic()
            console.print(f"  {line}", markup=False)

    asked = TableToPredict(table, wanted.target, wanted.version, wanted.source_version, wanted.keep)
    registry = installation.models.registry()
    done = predict_table(installation.catalog(case), registry, asked, source_access(), report)
    seconds = monotonic() - started
    as_of = "" if done.source.version is None else f", version {done.source.version}"
    how = "its events got their features as known" if done.computes_features else "scored by the features it has"
    console.print(f"{table}{as_of}: {done.rows:,} rows in {done.parts:,} parts, {how}", markup=False)
    console.print(
        f"{done.written_rows:,} rows of {done.written_parts:,} parts written to {done.target} by {case.name} version "
        f"{done.version.version} in {seconds:.1f} s; {done.parts - done.written_parts:,} parts were there",
        markup=False,
    )
    console.print(
        "Next: read the Delta table; run the same command again after a kill, and it goes on where it stopped"
    )


def _named(installation: Installation, table: str, use_case: str | None) -> tuple[UseCase, str]:
    """The use case, and the table's address where it is one of the lake.

    Raises:
        ValueError: no use case is named, and there are several.
    """
    parts = table.split("/")
    names = [declared.use_case.name for declared in declared_use_cases()]
    is_of_lake = len(parts) == 3 and parts[0] in names and not os.path.exists(table)
    name = use_case or (parts[0] if is_of_lake else None)
    if name is None and len(names) != 1:
        raise ValueError(f"which model? Name the use case with --use-case: {', '.join(names)}")
    case = declared_use_cases(name or names[0])[0].use_case
    if not is_of_lake:
        return case, table
    owner = declared_use_cases(parts[0])[0].use_case
    try:
        return case, installation.catalog(owner).stored("/".join(parts[1:])).uri
    except LakeTableMissing as error:
        raise ValueError(f"{error}. `platform-assets versions {parts[0]}` lists the tables that are there") from error
