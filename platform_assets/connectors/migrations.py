"""Rows that still have an old shape, brought to the declared one by the source's declared migrations.

Belongs here: applying migrations to rows as found. Does not belong here: declaring them
(`declaration/sections/migrations.py`), the cast to declared types (`conforming.py`) and tables on disk
(`lake/evolution.py`).
"""

from __future__ import annotations

import polars as pl

from platform_assets.declaration.sections.columns import POLARS_TYPES, Column
from platform_assets.declaration.sections.migrations import Default, Rename, Widen, value_of
from platform_assets.declaration.sections.sources import Source


def apply_migrations(rows: pl.DataFrame, source: Source) -> tuple[pl.DataFrame, tuple[str, ...]]:
    """Apply the source's migrations, oldest first, to rows as found; rows in today's shape are left as they are.

    A rename is applied where the old name is there and the new one is not, a default where the column is not there at all, a
    widening where a typed column has the old type. A retired column needs nothing: it is kept aside like any other that is
    not declared.

    Args:
        rows: Rows as `read_source` and `read_changes` give them.
        source: The declared source.

    Returns:
        The rows, in their order, and the migrations that were applied, in words.
    """
    frame, applied = rows, []
    for migration in source.migrations:
        if isinstance(migration, Rename):
            if migration.was in frame.columns and migration.column not in frame.columns:
                frame = frame.rename({migration.was: migration.column})
                applied.append(str(migration))
            continue
        column = _declared(source, migration.column)
        if column is None:
            continue
        if isinstance(migration, Default) and not _is_there(frame, source, migration.column):
            value = pl.lit(value_of(migration, column), dtype=column.polars_type)
            frame = frame.with_columns(value.alias(migration.column))
            applied.append(str(migration))
        elif isinstance(migration, Widen) and frame.schema.get(migration.column) == POLARS_TYPES[migration.was]:
            frame = frame.with_columns(_widened(pl.col(migration.column), column.polars_type))
            applied.append(str(migration))
    return frame, tuple(applied)


def _later_names(source: Source, name: str) -> list[str]:
    """The name and those that later renames gave to the column."""
    names = [name]
    for migration in source.migrations:
        if isinstance(migration, Rename) and migration.was == names[-1]:
            names.append(migration.column)
    return names


def _declared(source: Source, name: str) -> Column | None:
    """The declared column that a migration speaks of, by whatever name it had then."""
    last = _later_names(source, name)[-1]
    return source.column(last) if last in source.column_names else None


def _is_there(frame: pl.DataFrame, source: Source, name: str) -> bool:
    return any(later in frame.columns for later in _later_names(source, name))


def _widened(column: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    if dtype == pl.Datetime:
        return column.cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
    return column.cast(dtype)
