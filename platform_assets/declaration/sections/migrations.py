"""Migrations: declared changes of a table's columns, for rows delivered in the old shape and for rows already stored.

Belongs here: the declaration of a change, and which types may widen into which. Does not belong here: applying it to
deliveries (`connectors/migrations.py`) or to tables on disk (`lake/evolution.py`).
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

import polars as pl
from pydantic import Field

from platform_assets.declaration.base import Declaration, Identifier
from platform_assets.declaration.sections.columns import Column, ColumnType
from platform_assets.declaration.unknown_names import unknown_name

if TYPE_CHECKING:
    from platform_assets.declaration.sections.sources import Source

WIDER_TYPES: Final[Mapping[ColumnType, tuple[ColumnType, ...]]] = {
    "int8": ("int32", "int64", "float64"),
    "int32": ("int64", "float64"),
    "int64": ("float64",),
    "date": ("datetime",),
}
"""Types that hold every value of a narrower one. For int64 as float64 that depends on the values, and is checked."""


class Rename(Declaration):
    """A column has another name now."""

    kind: Literal["rename"] = Field(description="The column has another name now.")
    column: Identifier = Field(description="Its name now, as declared.")
    was: Identifier = Field(description="Its name before.")
    why: str = Field(min_length=1, description="Reason, kept with the table.")

    def __str__(self) -> str:
        """The change in words."""
        return f"rename {self.was} to {self.column}: {self.why}"


class Widen(Declaration):
    """A column has a wider type now."""

    kind: Literal["widen"] = Field(
        description="The column has a wider type now: int8, int32, int64, float64; date, datetime."
    )
    column: Identifier = Field(description="The column, as declared.")
    was: ColumnType = Field(description="Its type before.")
    why: str = Field(min_length=1, description="Reason, kept with the table.")

    def __str__(self) -> str:
        """The change in words."""
        return f"widen {self.column} from {self.was}: {self.why}"


class Default(Declaration):
    """A column is new; rows from before have one value."""

    kind: Literal["default"] = Field(description="The column is new.")
    column: Identifier = Field(description="The column, as declared.")
    value: bool | int | float | str | None = Field(
        description="Value of rows that were made before; null only for a nullable column. Times as ISO 8601 text, in UTC."
    )
    why: str = Field(min_length=1, description="Reason, kept with the table.")

    def __str__(self) -> str:
        """The change in words."""
        return f"new column {self.column}, {self.value!r} in rows from before: {self.why}"


class Retire(Declaration):
    """A column is no longer declared; stored values stay on disk, new rows have none."""

    kind: Literal["retire"] = Field(description="The column is no longer declared.")
    column: Identifier = Field(description="Name of the column that was declared before.")
    why: str = Field(min_length=1, description="Reason, kept with the table.")

    def __str__(self) -> str:
        """The change in words."""
        return f"retire {self.column}: {self.why}"


Migration = Annotated[Rename | Widen | Default | Retire, Field(discriminator="kind")]


def parsed_value(value: Any, dtype: pl.DataType) -> Any:
    """A declared value as polars takes it: ISO 8601 text becomes a day, or a time in UTC.

    Raises:
        ValueError: the text is no day or time.
    """
    if not isinstance(value, str) or not dtype.is_temporal():
        return value
    if dtype == pl.Date:
        return date.fromisoformat(value)
    moment = datetime.fromisoformat(value)
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def value_of(migration: Default, column: Column) -> Any:
    """The default as a value of the column's type.

    Raises:
        ValueError: it is none.
    """
    value = migration.value
    if value is None:
        if not column.nullable:
            raise ValueError(f"is null, but {column.name!r} is not nullable")
        return None
    if column.type in ("datetime", "date") and isinstance(value, str):
        return parsed_value(value, column.polars_type)
    python_types: Mapping[str, tuple[type, ...]] = {"string": (str,), "bool": (bool,), "float64": (int, float)}
    if not isinstance(value, python_types.get(column.type, (int,))) or (
        isinstance(value, bool) and column.type != "bool"
    ):
        raise ValueError(f"{value!r} is no value of type {column.type}")
    bits = {"int8": 8, "int32": 32, "int64": 64}.get(column.type)
    if bits and not -(2 ** (bits - 1)) <= int(value) < 2 ** (bits - 1):
        raise ValueError(f"{value!r} does not fit type {column.type}")
    return value


def migration_problems(source: "Source") -> Iterator[tuple[tuple[int | str, ...], Any, str]]:
    """Problems of a source's migrations: path below the source, offending value, and message."""
    for i, migration in enumerate(source.migrations):
        path: tuple[int | str, ...] = ("migrations", i)
        name = migration.column
        later = [other.was for other in source.migrations[i + 1 :] if isinstance(other, Rename)]
        if isinstance(migration, Retire):
            if name in source.column_names:
                yield (*path, "column"), name, "is still declared: take it out of `columns`, or take the migration out"
            continue
        if name not in source.column_names and name not in later:
            yield (*path, "column"), name, unknown_name(f"no such column in {source.name!r}", name, source.column_names)
            continue
        if isinstance(migration, Rename):
            if migration.was in source.column_names:
                yield (*path, "was"), migration.was, "is still declared: a renamed column has one name only"
        elif name in source.column_names:
            yield from _problem_of_values(migration, source, path)


def _problem_of_values(
    migration: Widen | Default, source: "Source", path: tuple[int | str, ...]
) -> Iterator[tuple[tuple[int | str, ...], Any, str]]:
    column = source.column(migration.column)
    if isinstance(migration, Widen):
        wider: Sequence[str] = WIDER_TYPES.get(migration.was, ())
        if column.type not in wider:
            allowed = ", ".join(wider) or "nothing"
            yield (
                (*path, "was"),
                migration.was,
                f"does not widen into {column.type}, the declared type of {column.name!r}; it widens into {allowed}",
            )
        return
    if column.name in (*source.primary_key, source.event_time):
        yield (
            (*path, "column"),
            column.name,
            "identifies or dates a row: it cannot have one value for all rows from before",
        )
        return
    try:
        value_of(migration, column)
    except ValueError as error:
        yield (*path, "value"), migration.value, str(error)
