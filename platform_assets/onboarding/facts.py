"""What a table holds, before anybody has said what it means.

Belongs here: reading files of undeclared columns, and facts about each column. Does not belong here: guesses about
meaning (`guesses.py`).
"""

from __future__ import annotations

import glob
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import time
from pathlib import Path
from typing import Literal, cast

import polars as pl

from platform_assets.connectors.access import Access
from platform_assets.connectors.casting import cast_text, cast_typed
from platform_assets.connectors.files.text_formats import parse_csv, parse_json_lines
from platform_assets.connectors.sql.inspection import undeclared_rows
from platform_assets.declaration.sections.columns import Column, ColumnType

Format = Literal["csv", "parquet", "jsonl"]
FORMATS: tuple[Format, ...] = ("csv", "parquet", "jsonl")

MAX_ROWS = 500_000
"""Rows looked at; a larger table is judged by its first rows, and says so."""

MISFIT_RATIO = 0.001
"""A text column has a type when at most this share of its cells does not fit: they would go to quarantine."""

_NAME = re.compile(r"^[a-z][a-z0-9_]{0,62}$")
_TYPES: tuple[ColumnType, ...] = ("int64", "float64", "datetime", "bool")
_EXAMPLES = 3
_ZONE = r"(?:[zZ]|[+-]\d{2}:?\d{2})\s*$"
_LOCAL_TIME = r"^\s*\d{1,4}[./-]\d{1,2}[./-]\d{1,4}(?:[ T]\d|\s*$)"
_EPOCH_SECONDS = (946_684_800, 4_102_444_800)
"""Of the years 2000 to 2100."""


class OnboardingError(ValueError):
    """Data that nothing can be proposed for; the message says why and what to do."""


@dataclass(frozen=True)
class ColumnFacts:
    """One column.

    Attributes:
        name: as delivered.
        type: the narrowest declared type that holds its values.
        rows: looked at.
        nulls: without a value.
        misfits: text cells that do not fit the type.
        distinct: different values.
        minimum: smallest number, or None for other types.
        maximum: largest number, or None for other types.
        values: all different values where they are few, in order; None where they are many.
        examples: some values as text.
        mean_length: mean number of characters of a text column; 0 for others.
        hint: what was seen that the type does not say, or nothing.
    """

    name: str
    type: ColumnType
    rows: int
    nulls: int
    misfits: int
    distinct: int
    minimum: float | None
    maximum: float | None
    values: tuple[int | str, ...] | None
    examples: tuple[str, ...]
    mean_length: float
    hint: str = ""

    @property
    def is_numeric(self) -> bool:
        """Whether it is a number."""
        return self.type in ("int64", "float64")


@dataclass(frozen=True)
class TableFacts:
    """A table as found.

    Attributes:
        origin: where it was found, for messages.
        connector: how a declaration reaches it: the fields of its connector.
        frame: typed rows, at most `MAX_ROWS`.
        columns: facts, in order.
        complete: whether all rows were looked at.
    """

    origin: str
    connector: Mapping[str, str]
    frame: pl.DataFrame
    columns: tuple[ColumnFacts, ...]
    complete: bool

    def column(self, name: str) -> ColumnFacts:
        """The facts of a column.

        Raises:
            KeyError: there is no such column.
        """
        return next(facts for facts in self.columns if facts.name == name)


def look_at(path: str) -> TableFacts:
    """Facts about the files at a path: one file, a folder of files of one format, or a glob.

    Raises:
        OnboardingError: there is nothing, it cannot be read, it has no rows, or the files disagree about their columns.
    """
    files = _find(path)
    format_ = _format(files, path)
    frames: list[pl.DataFrame] = []
    rows = 0
    for file in files:
        frame = _read(file, format_)
        if frames and frame.columns != frames[0].columns:
            raise OnboardingError(
                f"{file} has the columns {', '.join(frame.columns)}, but {files[0]} has {', '.join(frames[0].columns)}. "
                "Files of one table must agree: name those that do, with a glob."
            )
        frames.append(frame)
        rows += frame.height
        if rows >= MAX_ROWS:
            break
    connector = {"kind": "files", "format": format_, "path": str(Path(path).absolute())}
    rows_of_files = pl.concat(frames, how="vertical_relaxed").head(MAX_ROWS)
    return _table(path, connector, rows_of_files, complete=len(frames) == len(files) and rows <= MAX_ROWS)


def look_at_database(variable: str, table: str, access: Access) -> TableFacts:
    """Facts about a table of a SQL database.

    Args:
        variable: name of the environment variable with the SQLAlchemy address.
        table: table or view, `schema.table` where it needs a schema.
        access: where the address is.

    Raises:
        SourceError: the database cannot be reached or has no such table.
        OnboardingError: the table has no rows, or names that cannot be declared.
    """
    rows = undeclared_rows(variable, table, MAX_ROWS, access)
    fields = {"kind": "sql", "url": variable, "table": table}
    return _table(f"{table} of {variable}", fields, rows, complete=rows.height < MAX_ROWS)


def _table(label: str, connector: Mapping[str, str], rows: pl.DataFrame, *, complete: bool) -> TableFacts:
    if rows.is_empty():
        raise OnboardingError(f"{label} has {rows.width} columns and no rows: give a table with data.")
    _check_names(rows.columns, label)
    typed, columns = [], []
    for series in rows.get_columns():
        values, facts = _facts(series)
        typed.append(values)
        columns.append(facts)
    return TableFacts(label, connector, pl.DataFrame(typed), tuple(columns), complete)


def _find(path: str) -> list[Path]:
    given = Path(path)
    if given.is_file():
        return [given]
    if given.is_dir():
        files = [file for file in sorted(given.rglob("*")) if file.is_file() and not file.name.startswith((".", "_"))]
        files = [file for file in files if _ending(file) is not None]
    else:
        files = [Path(match) for match in sorted(glob.glob(path, recursive=True)) if Path(match).is_file()]
    if not files:
        raise OnboardingError(
            f"there is no file at {path}: give a CSV, Parquet or JSON-lines file, a folder or a glob."
        )
    return files


def _ending(file: Path) -> Format | None:
    name = file.name.removesuffix(".gz")
    return next((ending for ending in FORMATS if name.endswith(f".{ending}")), None)


def _format(files: Sequence[Path], path: str) -> Format:
    formats = {_ending(file) for file in files}
    if len(formats) != 1 or None in formats:
        names = ", ".join(sorted({file.suffix or file.name for file in files}))
        raise OnboardingError(
            f"the files at {path} end in {names}: a table has one format, .csv, .parquet or .jsonl (with .gz or without)."
        )
    (format_,) = formats
    assert format_ is not None
    return format_


def _read(file: Path, format_: Format) -> pl.DataFrame:
    import gzip

    try:
        if format_ == "parquet":
            return pl.read_parquet(file, glob=False, hive_partitioning=False)
        data = gzip.decompress(file.read_bytes()) if file.suffix == ".gz" else file.read_bytes()
        return (parse_csv(data, str(file)) if format_ == "csv" else parse_json_lines(data, str(file), [])).cells
    except (OSError, EOFError, ValueError, pl.exceptions.PolarsError) as error:
        raise OnboardingError(f"{file} cannot be read as {format_}: {error}") from error


def _check_names(names: Sequence[str], path: str) -> None:
    bad = [name for name in names if not _NAME.match(name)]
    if bad:
        raise OnboardingError(
            f"{path}: column names {', '.join(map(repr, bad[:8]))} cannot be declared: names have lower-case letters, digits "
            "and _, and begin with a letter. Rename them where the file is made."
        )


def _facts(series: pl.Series) -> tuple[pl.Series, ColumnFacts]:
    """The typed column and what can be said of it."""
    values, type_, misfits = _typed(series)
    known = values.drop_nulls()
    distinct = known.n_unique()
    numeric = type_ in ("int64", "float64")
    few = distinct <= 20 and type_ in ("int64", "string")
    limits = known.filter(known.is_finite()) if type_ == "float64" else known
    facts = ColumnFacts(
        name=series.name,
        type=type_,
        rows=len(values),
        nulls=values.null_count() - misfits,
        misfits=misfits,
        distinct=distinct,
        minimum=float(cast(float, limits.min())) if numeric and len(limits) else None,
        maximum=float(cast(float, limits.max())) if numeric and len(limits) else None,
        values=tuple(known.unique().sort().to_list()) if few else None,
        examples=tuple(map(str, known.head(1000).unique(maintain_order=True).head(_EXAMPLES).to_list())),
        mean_length=float(cast(float, known.str.len_chars().mean() or 0.0)) if type_ == "string" else 0.0,
        hint=_hint(series, known, type_),
    )
    return values, facts


def _hint(delivered: pl.Series, values: pl.Series, type_: ColumnType) -> str:
    """What a reader of the proposal has to know about the values, beside their type."""
    if delivered.dtype == pl.Date or (type_ == "datetime" and bool((values.dt.time() == time(0)).all())):
        return "days only: taken for their midnight, UTC"
    if type_ == "datetime" and delivered.dtype == pl.String and not delivered.drop_nulls().str.contains(_ZONE).any():
        return "no zone is written: taken for UTC"
    if isinstance(delivered.dtype, pl.Datetime) and delivered.dtype.time_zone is None:
        return "no zone is stored: taken for UTC"
    if type_ == "string" and len(values) and values.str.contains(_LOCAL_TIME).all():
        return f"looks like a time ({values[0]}), but only ISO 8601 is read, such as 2026-03-01T12:00:00Z"
    if type_ == "string" and len(values) and _zeros_lead(values):
        return "digits, but zeros lead: kept as text"
    if type_ == "int64" and len(values):
        for unit, factor in (("seconds", 1), ("milliseconds", 10**3), ("microseconds", 10**6)):
            low, high = _EPOCH_SECONDS[0] * factor, _EPOCH_SECONDS[1] * factor
            if values.is_between(low, high).all() and values.n_unique() > 1:
                return f"looks like {unit} since 1970, but times are read as ISO 8601, such as 2026-03-01T12:00:00Z"
    return ""


def _zeros_lead(text: pl.Series) -> bool:
    """Whether some cells are digits that a number would not keep, such as 01234."""
    return bool(text.str.contains(r"^0\d+$").any())


def _typed(series: pl.Series) -> tuple[pl.Series, ColumnType, int]:
    if series.dtype == pl.String:
        for type_ in ("datetime",) if _zeros_lead(series.drop_nulls()) else _TYPES:
            column = Column(name=series.name, type=type_, description="", nullable=True)
            values = cast_text(series, column)
            misfits = values.null_count() - series.null_count()
            if type_ == "bool" and _only_digits(series):
                continue
            if misfits <= MISFIT_RATIO * max(1, len(series) - series.null_count()) and values.null_count() < len(
                values
            ):
                return values, type_, misfits
        return series, "string", 0
    for type_ in ("int64", "float64", "bool", "datetime", "string"):
        if not _same_kind(series.dtype, type_):
            continue
        values, failed = cast_typed(series, Column(name=series.name, type=type_, description="", nullable=True))
        if not failed.any():
            return values, type_, 0
    raise OnboardingError(
        f"column {series.name!r} has the type {series.dtype}, which cannot be declared: write it as a number, text, time or "
        "Boolean."
    )


def _same_kind(dtype: pl.DataType, type_: ColumnType) -> bool:
    if type_ == "int64":
        return dtype.is_integer()
    if type_ == "float64":
        return dtype.is_numeric()
    if type_ == "bool":
        return dtype == pl.Boolean
    if type_ == "datetime":
        return dtype == pl.Date or isinstance(dtype, pl.Datetime)
    return dtype == pl.String or isinstance(dtype, pl.Categorical | pl.Enum) or dtype == pl.Null


def _only_digits(series: pl.Series) -> bool:
    return bool(series.drop_nulls().str.contains(r"^[01]$").all())
