"""How a table on disk follows its declaration: columns added, retired, widened, renamed.

Belongs here: what has to change, whether it may, and making the change in one commit. Does not belong here: the
declared changes themselves (`declaration/sections/migrations.py`), and old rows of deliveries
(`connectors/migrations.py`).

A new column is added by metadata alone; a column that is no longer declared stays on disk, and new rows have null in it;
a rename, a wider type or a value for old rows rewrites the table, once, in one commit. Older versions keep their shape on
disk and are brought to the declared one while they are read.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import polars as pl
from deltalake import DeltaTable, Field, Schema, write_deltalake

from platform_assets.declaration.sections.columns import POLARS_TYPES
from platform_assets.declaration.sections.migrations import Default, Migration, Rename, Retire, Widen, parsed_value
from platform_assets.lake import storage
from platform_assets.lake.commits import WriteRecord
from platform_assets.lake.errors import LakeSchemaError, SchemaProblem
from platform_assets.lake.retries import polars_options

_WIDER: Final[Mapping[type[pl.DataType], tuple[type[pl.DataType], ...]]] = {
    pl.Int8: (pl.Int16, pl.Int32, pl.Int64, pl.Float64),
    pl.Int16: (pl.Int32, pl.Int64, pl.Float64),
    pl.Int32: (pl.Int64, pl.Float64),
    pl.Int64: (pl.Float64,),
    pl.Float32: (pl.Float64,),
    pl.Date: (pl.Datetime,),
}

EVOLVE: Final = "evolve"
"""Operation of a commit that changes a table's columns and no value."""

MIGRATIONS: Final = "migrations"
"""Key in such a commit's metadata: the changes in words, as a JSON list."""


def migrations_metadata(changes: Sequence[str]) -> dict[str, str]:
    """Commit metadata of a write whose rows needed migrations, which are given in words; empty without any."""
    return {MIGRATIONS: json.dumps(list(changes))} if changes else {}


@dataclass(frozen=True)
class Evolution:
    """What may change about a table without asking.

    Attributes:
        automatic: Columns may come, go and widen as the declaration does. For tables that can be made again.
        migrations: Declared changes, oldest first.
    """

    automatic: bool = False
    migrations: tuple[Migration, ...] = ()


@dataclass(frozen=True)
class EvolutionPlan:
    """From the columns on disk to the declared ones.

    Attributes:
        columns: For each declared column, how it is read from what is on disk.
        added: Declared columns that metadata alone adds.
        retired: Columns on disk that are not declared.
        is_rewrite: Whether the change needs the rows to be written again.
        changes: The changes in words.
    """

    columns: dict[str, pl.Expr]
    added: dict[str, pl.DataType] = field(default_factory=dict)
    retired: dict[str, pl.DataType] = field(default_factory=dict)
    is_rewrite: bool = False
    changes: tuple[str, ...] = ()

    @property
    def is_needed(self) -> bool:
        """Whether the table on disk has to change before a write."""
        return bool(self.added) or self.is_rewrite


def plan_evolution(
    stored: Mapping[str, pl.DataType],
    declared: Mapping[str, pl.DataType],
    evolution: Evolution,
    *,
    table: str,
    complete: bool,
) -> EvolutionPlan:
    """Decide how a table on disk comes to its declaration.

    Args:
        stored: Columns on disk.
        declared: Columns wanted, with their types.
        evolution: What may change.
        table: Address of the table, for the message.
        complete: Whether columns on disk that are not in `declared` matter (for a write they do).

    Raises:
        LakeSchemaError: With every column that may not change as it would have to.
    """
    plans = {name: _plan_column(name, dtype, stored, evolution) for name, dtype in declared.items()}
    used = {plan.origin for plan in plans.values()}
    retired = {name: dtype for name, dtype in stored.items() if name not in used} if complete else {}
    problems = [plan.problem for plan in plans.values() if plan.problem is not None]
    problems += [
        SchemaProblem(name, "absent", str(dtype)) for name, dtype in retired.items() if not _may_go(name, evolution)
    ]
    if problems:
        next_step = (
            "Declare what is on disk, or declare the change as one of the source's `migrations`: rename, widen, default, "
            "retire. Any other change of type needs a new column."
        )
        raise LakeSchemaError.of(table, "the declaration does not fit what is on disk in", problems, next_step)
    return EvolutionPlan(
        columns={name: plan.expression.alias(name) for name, plan in plans.items()},
        added={name: declared[name] for name, plan in plans.items() if plan.is_added},
        retired=retired,
        is_rewrite=any(plan.is_rewrite for plan in plans.values()),
        changes=tuple(dict.fromkeys(change for plan in plans.values() for change in plan.changes)),
    )


@dataclass(frozen=True)
class _ColumnPlan:
    """How one declared column is read from what is on disk.

    Attributes:
        origin: the column on disk that holds it; None for a new one.
        expression: its values.
        changes: the changes in words.
        is_added: whether metadata alone adds it.
        is_rewrite: whether rows have to be written again.
        problem: why it may not change so.
    """

    origin: str | None
    expression: pl.Expr
    changes: tuple[str, ...] = ()
    is_added: bool = False
    is_rewrite: bool = False
    problem: SchemaProblem | None = None


def _plan_column(name: str, dtype: pl.DataType, stored: Mapping[str, pl.DataType], evolution: Evolution) -> _ColumnPlan:
    origin, renames = _origin(name, stored, evolution.migrations)
    if origin is None:
        value = _default(name, evolution)
        if value is None:
            return _ColumnPlan(None, pl.lit(None), problem=SchemaProblem(name, str(dtype), "absent"))
        literal = value.literal(dtype)
        return _ColumnPlan(None, literal, (value.text,), is_added=value.is_null, is_rewrite=not value.is_null)
    expression = pl.col(origin)
    if stored[origin] == dtype:
        return _ColumnPlan(origin, expression, tuple(renames), is_rewrite=bool(renames))
    widening = _widening(name, stored[origin], dtype, evolution)
    if widening is None:
        problem = SchemaProblem(name, str(dtype), str(stored[origin]))
        return _ColumnPlan(origin, expression, problem=problem)
    return _ColumnPlan(origin, _widened(expression, dtype), (widening, *renames), is_rewrite=True)


def evolve(
    table: DeltaTable,
    plan: EvolutionPlan,
    declared: Mapping[str, pl.DataType],
    partition_by: str | None,
    storage_options: Mapping[str, str] | None,
    *,
    uri: str,
) -> None:
    """Bring the table on disk to its declaration, in one commit.

    Raises:
        LakeSchemaError: A value does not survive the wider type; nothing was written.
        CommitFailedError: Another writer was faster; open the table and plan again.
    """
    record = WriteRecord(EVOLVE, 0, metadata=migrations_metadata(plan.changes))
    # An append that came in between would not be rewritten, and deltalake sees no conflict in it: alone or not at all.
    properties = record.properties(table.version(), alone=True)
    if not plan.is_rewrite:
        fields = Schema.from_arrow(pl.Schema(plan.added)).fields
        table.alter.add_columns(
            [Field(item.name, item.type, nullable=True) for item in fields], commit_properties=properties
        )
        return
    rows = pl.scan_delta(table, version=table.version(), storage_options=polars_options(storage_options))
    if partition_by is not None:
        rows = rows.sort(partition_by, maintain_order=True)
    before = rows.collect()
    after = before.select(*plan.columns.values(), *plan.retired).select(*declared, *plan.retired)
    _refuse_losses(before, after, plan, uri=uri)
    write_deltalake(
        table,
        after,
        mode="overwrite",
        schema_mode="overwrite",
        writer_properties=storage.writer_properties(after.schema),
        commit_properties=properties,
        post_commithook_properties=storage.after_commit(),
    )


def _refuse_losses(before: pl.DataFrame, after: pl.DataFrame, plan: EvolutionPlan, *, uri: str) -> None:
    problems = []
    for name, expression in plan.columns.items():
        roots = expression.meta.root_names()
        if not roots or before.schema[roots[0]] == after.schema[name] or after.schema[name].is_temporal():
            continue
        original = before[roots[0]]
        changed = int(after[name].cast(original.dtype, strict=False).ne_missing(original).sum())
        if changed:
            text = f"{original.dtype} with {changed} values that do not fit"
            problems.append(SchemaProblem(name, str(after.schema[name]), text))
    if problems:
        raise LakeSchemaError.of(
            uri, "cannot widen without loss in", problems, "Nothing was written: use a new column."
        )


@dataclass(frozen=True)
class _Value:
    """What rows from before have in a new column."""

    value: Any
    text: str

    @property
    def is_null(self) -> bool:
        return self.value is None

    def literal(self, dtype: pl.DataType) -> pl.Expr:
        return pl.lit(parsed_value(self.value, dtype), dtype=dtype)


def _origin(
    name: str, stored: Mapping[str, pl.DataType], migrations: Sequence[Migration]
) -> tuple[str | None, list[str]]:
    """The column on disk that holds the declared one, and the renames in between."""
    renames: list[str] = []
    current = name
    for migration in reversed(migrations):
        if current in stored:
            break
        if isinstance(migration, Rename) and migration.column == current:
            renames.append(str(migration))
            current = migration.was
    return (current, renames) if current in stored else (None, [])


def _default(name: str, evolution: Evolution) -> _Value | None:
    """What a column that is not on disk has in rows from before; None when it may not be added."""
    names = {name}
    for migration in reversed(evolution.migrations):
        if isinstance(migration, Rename) and migration.column in names:
            names.add(migration.was)
        if isinstance(migration, Default) and migration.column in names:
            return _Value(migration.value, str(migration))
    return _Value(None, f"new column {name}") if evolution.automatic else None


def _widening(name: str, stored: pl.DataType, declared: pl.DataType, evolution: Evolution) -> str | None:
    """The change of type in words; None when it may not be made."""
    if declared.base_type() not in _WIDER.get(stored.base_type(), ()):
        return None
    for migration in evolution.migrations:
        if isinstance(migration, Widen) and migration.column == name and _reaches(migration, stored):
            return str(migration)
    return f"widen {name} from {stored} to {declared}" if evolution.automatic else None


def _reaches(migration: Widen, stored: pl.DataType) -> bool:
    """Whether the migration starts at the type stored or further down, so that all steps are declared by the last one."""
    was = POLARS_TYPES[migration.was]
    return was == stored or was.base_type() in _WIDER.get(stored.base_type(), ())


def _widened(expression: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    if dtype == pl.Datetime:
        return expression.cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
    return expression.cast(dtype)


def _may_go(name: str, evolution: Evolution) -> bool:
    return evolution.automatic or any(
        isinstance(migration, Retire) and migration.column == name for migration in evolution.migrations
    )
