"""Does a frame fit the table it is meant for, and does the declared schema fit Delta.

Belongs here: names and types, casts that lose nothing, days inside the range, keys that identify. Does not belong
here: rules about values (`validation`), and changes of a table's schema (`evolution`).
"""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Final

import polars as pl

from platform_assets.lake.errors import EmptyWriteError, LakeKeyError, LakeRangeError, LakeSchemaError, SchemaProblem

DeclaredSchema = Mapping[str, pl.DataType | type[pl.DataType]]

_ABSENT: Final = "absent"
_SHORT_RUN: Final = 100
_NUMBERS: Final = (pl.Int8, pl.Int16, pl.Int32, pl.Int64, pl.Float32, pl.Float64, pl.Decimal)
_PLAIN_TYPES: Final = frozenset({*_NUMBERS, pl.Boolean, pl.String, pl.Binary, pl.Date})


def checked_schema(schema: DeclaredSchema, partition_by: str | None, *, table: str) -> pl.Schema:
    """Turn a declaration into a polars schema, refusing types that Delta would change or cannot hold.

    Args:
        schema: Column name to polars type, in table order, partition column included.
        partition_by: Name of the partition column, or None.
        table: Address of the table, for the message.

    Returns:
        The schema with every type as an instance.

    Raises:
        LakeSchemaError: Nothing is declared, a type cannot be stored unchanged, or the partition column is not a
            declared `Date`.
    """
    try:
        declared = pl.Schema(schema)
        unfit = [name for name, dtype in declared.items() if not _is_storable(dtype)]
    except TypeError as error:
        raise LakeSchemaError(f"cannot declare table {table}: {error}. Name the unit, zone or inner type.") from error
    kept = "a type that Delta keeps unchanged, such as Int64 or Datetime('us', 'UTC')"
    problems = [SchemaProblem(name, kept, str(declared[name])) for name in unfit]
    if partition_by is not None and declared.get(partition_by) != pl.Date:
        problems.append(SchemaProblem(partition_by, "Date, as the partition column", _name(declared.get(partition_by))))
    if not declared:
        problems.append(SchemaProblem("*", "at least one column", "none"))
    if problems:
        raise LakeSchemaError.of(table, "cannot declare the table", problems, "Change the declared types.")
    return declared


def conform(frame: pl.DataFrame, declared: pl.Schema, *, table: str) -> pl.DataFrame:
    """Bring a frame to the declared columns, order and types without losing a value.

    Integers may change width, integers may become floats, floats may change width, zoned datetimes may change zone and
    unit, categoricals may become strings and an all-null column takes any type, each only if every value survives the
    way there and back. Anything else is a changed type and refused; so is a column too many or too few.

    Args:
        frame: Rows to write.
        declared: The table's declared schema.
        table: Address of the table, for the message.

    Returns:
        The frame with exactly the declared columns; rows and their order are untouched.

    Raises:
        LakeSchemaError: With every column that does not fit.
    """
    problems = [
        SchemaProblem(name, str(dtype), _ABSENT) for name, dtype in declared.items() if name not in frame.columns
    ]
    problems += [
        SchemaProblem(name, _ABSENT, str(dtype)) for name, dtype in frame.schema.items() if name not in declared
    ]
    columns: list[pl.Series] = []
    for name, dtype in declared.items():
        if name in frame.columns:
            column = _lossless(frame.get_column(name), dtype)
            if isinstance(column, SchemaProblem):
                problems.append(column)
            else:
                columns.append(column)
    if problems:
        subject = f"the frame of {frame.height} rows does not fit table"
        raise LakeSchemaError.of(table, subject, problems, "Nothing was written: fix the rows or declare the change.")
    return pl.DataFrame(columns)


def refuse_empty(frame: pl.DataFrame, *, table: str) -> None:
    """Refuse a frame without rows.

    Raises:
        EmptyWriteError: It has none.
    """
    if frame.is_empty():
        raise EmptyWriteError(
            f"the frame for table {table} has no rows: writing it would delete what is there or record an "
            "empty load. Check its source; if nothing is the truth, say allow_empty=True where the method takes it."
        )


def check_columns(names: Sequence[str], declared: pl.Schema, *, table: str) -> None:
    """Refuse to read columns that are not declared.

    Raises:
        LakeSchemaError: With each of them.
    """
    unknown = [SchemaProblem(name, "a declared column", _ABSENT) for name in names if name not in declared]
    if unknown:
        raise LakeSchemaError.of(table, "cannot read from table", unknown, f"Declared are: {', '.join(declared)}.")


def in_range(day: str, first: date | None, last: date | None) -> pl.Expr:
    """Rows whose `day` column lies in [first, last]; None leaves that side open."""
    after = pl.lit(True) if first is None else pl.col(day) >= first
    before = pl.lit(True) if last is None else pl.col(day) <= last
    return after & before


def in_partition_order(rows: pl.DataFrame, day: str) -> pl.DataFrame:
    """Rows sorted by partition, the order within each kept; files hold one partition each, so that runs are moved, not rows."""
    runs = rows.get_column(day).rle()
    days, lengths = runs.struct.field("value"), runs.struct.field("len")
    if days.is_sorted():
        return rows
    if len(days) > rows.height // _SHORT_RUN:
        return rows.sort(day, maintain_order=True)
    starts = lengths.cum_sum() - lengths
    order = pl.DataFrame({"day": days, "start": starts, "length": lengths}).sort("day", maintain_order=True)
    return pl.concat([rows.slice(start, length) for _, start, length in order.iter_rows()])


def check_range(frame: pl.DataFrame, day: str, first: date | None, last: date | None, *, table: str) -> None:
    """Refuse rows without a day or outside [first, last].

    Args:
        frame: Rows to write.
        day: The partition column.
        first: First day allowed, or None for any.
        last: Last day allowed, or None for any.
        table: Address of the table, for the message.

    Raises:
        LakeRangeError: With the number of rows and the worst days.
    """
    unfit = frame.filter(~in_range(day, first, last) | pl.col(day).is_null())
    outside = unfit.get_column(day).value_counts(name="rows").sort("rows", day, descending=[True, False])
    if outside.is_empty():
        return
    worst = ", ".join(f"{other or 'no day'}: {rows}" for other, rows in outside.head(5).iter_rows())
    more = f" and {outside.height - 5} more days" if outside.height > 5 else ""
    trouble = f"no {day}" if first is None and last is None else f"a {day} outside {first} .. {last}"
    raise LakeRangeError(
        f"{unfit.height} of {frame.height} rows for table {table} have {trouble} ({worst}{more}). "
        "Nothing was written: widen the range or give the rows to the write of their own day."
    )


def check_keys(frame: pl.DataFrame, keys: Sequence[str], matched_by: Sequence[str], *, table: str) -> None:
    """Refuse merge keys that do not identify a row.

    Args:
        frame: Rows to merge.
        keys: Columns the caller named.
        matched_by: Those and the partition column.
        table: Address of the table, for the message.

    Raises:
        LakeKeyError: A key is not a column, is null in some rows, or is not unique.
    """
    unknown = [key for key in keys if key not in frame.columns]
    if unknown or not keys:
        raise LakeKeyError(f"cannot merge into table {table}: keys {list(keys)} must name columns of {frame.columns}")
    missing = frame.filter(pl.any_horizontal(pl.col(matched_by).is_null())).height
    repeated = frame.height - frame.n_unique(matched_by)
    if missing or repeated:
        raise LakeKeyError(
            f"cannot merge {frame.height} rows into table {table} by {list(matched_by)}: {missing} rows have a null "
            f"key and {repeated} rows repeat the key of another row. Nothing was written: make the keys unique first."
        )


def _name(dtype: pl.DataType | None) -> str:
    return _ABSENT if dtype is None else str(dtype)


def _is_storable(dtype: pl.DataType) -> bool:
    """Whether a value of this type comes back from Delta with this very type."""
    if isinstance(dtype, pl.List):
        return _is_storable(_inner(dtype))
    if isinstance(dtype, pl.Struct):
        return all(_is_storable(field) for field in pl.Schema(dtype.to_schema()).values())
    if isinstance(dtype, pl.Datetime):
        return dtype.time_unit == "us" and dtype.time_zone == "UTC"
    return dtype.base_type() in _PLAIN_TYPES


def _lossless(column: pl.Series, expected: pl.DataType) -> pl.Series | SchemaProblem:
    """The column cast to `expected`, or the reason why that would lose something."""
    actual = column.dtype
    if actual == expected:
        return column
    if not _may_become(actual, expected):
        return SchemaProblem(column.name, str(expected), str(actual))
    try:
        cast = column.cast(expected, strict=False)
        changed = int(cast.cast(actual, strict=False).ne_missing(column).sum())
    except (pl.exceptions.InvalidOperationError, pl.exceptions.ComputeError) as error:
        return SchemaProblem(column.name, str(expected), f"{actual} ({error})")
    if changed:
        return SchemaProblem(column.name, str(expected), f"{actual} with {changed} values that do not fit")
    return cast


def _may_become(actual: pl.DataType, expected: pl.DataType) -> bool:
    """Whether the kinds are the same, so that only the values decide."""
    if actual == pl.Null:
        return True
    if actual.is_integer():
        return expected.is_integer() or expected.is_float()
    if actual.is_float():
        return expected.is_float()
    if isinstance(actual, pl.Datetime):
        return isinstance(expected, pl.Datetime) and actual.time_zone is not None
    if isinstance(actual, pl.Categorical | pl.Enum):
        return expected == pl.String
    if isinstance(actual, pl.Decimal):
        return isinstance(expected, pl.Decimal)
    if isinstance(actual, pl.List | pl.Array) and isinstance(expected, pl.List):
        return _inner(actual) == _inner(expected) or _may_become(_inner(actual), _inner(expected))
    return False


def _inner(dtype: pl.List | pl.Array) -> pl.DataType:
    """Element type of a list, as an instance."""
    return pl.Schema({"element": dtype.inner})["element"]
