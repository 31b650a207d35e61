"""Gate `tables`: tables that are stored can follow their declaration.

Belongs here: columns that may not change as they would have to, and keys that rows were written by. Does not belong here: making the change
(`lake/evolution.py`, whose plan is asked here before there is anything to lose).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import polars as pl
from pydantic import TypeAdapter

from platform_assets.declaration.sections.columns import POLARS_TYPES
from platform_assets.declaration.sections.migrations import Migration
from platform_assets.lake.errors import LakeSchemaError
from platform_assets.lake.evolution import Evolution, plan_evolution
from platform_assets.pipelines.change.gates.base import ChangeFinding
from platform_assets.pipelines.change.sides import RepositoryChange

KEYS: Final = {
    "primary_key": "rows that are stored were told apart by the older key",
    "event_time": "rows that are stored lie in the days of the older event time",
    "time_zone": "days that are stored begin and end at the older zone's midnights",
}
"""What of a source rows are placed by, and why it cannot change under them."""


@dataclass(frozen=True)
class _Tables:
    about: str = "stored tables can follow: each change of columns has a migration, keys and days stay"

    def judge(self, change: RepositoryChange) -> Iterator[ChangeFinding]:
        """What of each source that both sides declare cannot follow."""
        for name in change.kept_use_cases:
            before, after = (side.use_cases[name]["declaration"]["sources"] for side in (change.before, change.after))
            sources = {source["name"]: source for source in after}
            for old in before:
                if old["name"] in sources:
                    place = after.index(sources[old["name"]])
                    yield from _of_source(change, name, place, old, sources[old["name"]])


def _of_source(
    change: RepositoryChange, name: str, place: int, old: Mapping[str, Any], new: Mapping[str, Any]
) -> Iterator[ChangeFinding]:
    file, where = change.after.file(name), ("sources", place)
    for field, why in KEYS.items():
        if old[field] != new[field]:
            yield ChangeFinding(
                f"{name} sources.{new['name']}.{field}",
                file,
                change.after.line(name, (*where, field)),
                f"{field} of {new['name']} was {old[field]} and is {new[field]}: {why}",
                "declare a source of another name, or have the change accepted and load the table anew",
            )
    for column, message in column_problems(old, new):
        columns = [item["name"] for item in new["columns"]]
        at = (*where, "columns", columns.index(column)) if column in columns else (*where, "columns")
        yield ChangeFinding(
            f"{name} sources.{new['name']}.columns.{column}",
            file,
            change.after.line(name, at),
            message,
            f"declare what becomes of stored rows under `migrations` of {new['name']}: rename, widen, default or retire",
        )


def column_problems(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Each column that cannot follow from one declaration of a source to the next, with why."""
    migrations = TypeAdapter(tuple[Migration, ...]).validate_python(tuple(new["migrations"]))
    try:
        plan_evolution(_schema(old), _schema(new), Evolution(migrations=migrations), table=new["name"], complete=True)
    except LakeSchemaError as error:
        return [
            (problem.column, _sentence(problem.column, problem.expected, problem.actual)) for problem in error.problems
        ]
    return []


def _sentence(column: str, declared: str, stored: str) -> str:
    if declared == "absent":
        return f"column {column} is declared no more, and stored rows have it"
    if stored == "absent":
        return f"column {column} is new, and stored rows do not have it"
    return f"column {column} is declared as {declared}, and stored as {stored}"


def _schema(source: Mapping[str, Any]) -> dict[str, pl.DataType]:
    return {column["name"]: POLARS_TYPES[column["type"]] for column in source["columns"]}


TABLES = _Tables()
