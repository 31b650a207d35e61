"""What a table holds, before anybody has said what it means.

Belongs here: facts about each column. Does not belong here: finding and reading files (`files.py`), guesses about meaning
(`guesses.py`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, time
from pathlib import Path
from typing import Any, cast

import polars as pl

from platform_assets.connectors.access import Access
from platform_assets.connectors.casting import cast_text, cast_typed
from platform_assets.connectors.sql.inspection import undeclared_rows
from platform_assets.connectors.written_forms import written
from platform_assets.declaration.sections.columns import Column, ColumnType
from platform_assets.onboarding.files import OnboardingError as OnboardingError
from platform_assets.onboarding.files import encoding_of, find_files, format_of_files, read_file, separator_of
from platform_assets.onboarding.naming import declared_names
from platform_assets.onboarding.times import format_of, format_of_numbers, parts_of_a_time, read_as, widen

MAX_ROWS = 2_000_000
"""Rows looked at; of a larger table every second, third ... of all its files, which is said."""

EVENT_TIME = "event_time"
"""Name of a time that is put together from several columns."""

MISFIT_RATIO = 0.001
"""A text column has a type when at most this share of its cells does not fit: they would go to quarantine."""

_TYPES: tuple[ColumnType, ...] = ("int64", "float64", "datetime", "bool")
_SIGNS = frozenset(
    {"", "?", "-", "--", ".", "NA", "N/A", "n/a", "na", "#N/A", "null", "NULL", "None", "none", "NaN", "nan", "unknown"}
)
"""What stands for no value in a column of numbers; the first is a cell of blanks alone."""
_OF_TEXT: tuple[ColumnType, ...] = ("datetime", "bool")
"""What text may stand for where a source has types of its own."""
_EXAMPLES = 3
_COMMA_NUMBER = r"^[+-]?(?:\d{1,3}(?:\.\d{3})+|\d+)(?:,\d+)?$"
_SURE_COMMA = r",(?:\d{1,2}|\d{4,})$|^[+-]?(?:0|\d{4,}),\d{3}$|\.\d{3},"
"""A comma that can stand before decimals only: not three digits follow, or no group of thousands comes before."""
_ZONE = r"(?:[zZ]|[+-]\d{2}:?\d{2})\s*$"
_LOCAL_TIME = r"^\s*(?:\d{1,4}[./-](?:\d{1,2}|[A-Za-z]{3})[./-]\d{1,4}|[A-Za-z]{3} \d{1,2}, \d{4})(?:[ T]\d|\s*$)"
_TIME_LIKE = frozenset({"time", "date", "day", "timestamp", "ts", "dt", "datum", "jour", "fecha"})
"""Words of names that columns with times have."""


@dataclass(frozen=True)
class ColumnFacts:
    """One column.

    Attributes:
        name: as it is declared.
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
        delivered: names of the columns that it is delivered in, where they are not its own.
        written: fields of its declaration that say how its values are written.
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
    delivered: tuple[str, ...] = ()
    written: Mapping[str, Any] = field(default_factory=dict)

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
        complete: whether all rows were looked at; else some of all files.
        spans: first and last time of columns with times, of all rows, where only some were looked at.
        rows: that there are, looked at or not; 0 where nobody counted.
    """

    origin: str
    connector: Mapping[str, str]
    frame: pl.DataFrame
    columns: tuple[ColumnFacts, ...]
    complete: bool
    spans: Mapping[str, tuple[datetime, datetime]] = field(default_factory=dict)
    rows: int = 0

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
    return look_at_files(find_files(path), path)


def look_at_files(files: Sequence[Path], path: str) -> TableFacts:
    """Facts about files of one table, which a path names; their columns may stand in another order in each.

    Raises:
        OnboardingError: as `look_at`.
    """
    format_ = format_of_files(files, path)
    frames: list[pl.DataFrame] = []
    rows = kept = 0
    step, separator, encoding = 1, "comma", "utf-8"
    spans: dict[str, tuple[datetime, datetime]] = {}
    for file in files:
        if format_ != "parquet" and not frames:
            encoding = encoding_of(file)
            separator = separator_of(file, encoding) if format_ == "csv" else separator
        frame = read_file(file, format_, separator, encoding)
        if frames and set(frame.columns) != set(frames[0].columns):
            raise OnboardingError(
                f"{file} has the columns {', '.join(frame.columns)}, but {files[0]} has {', '.join(frames[0].columns)}. "
                "Files of one table must agree: name those that do, with a glob, or the folder of all of them."
            )
        frame = frame.select(frames[0].columns) if frames else frame
        widen(spans, frame)
        rows += frame.height
        frames.append(_thinned(frame, step))
        kept += frames[-1].height
        while kept > MAX_ROWS:
            step, frames = 2 * step, [_thinned(each, 2) for each in frames]
            kept = sum(each.height for each in frames)
    connector = {"kind": "files", "format": format_, "path": str(Path(path).absolute())}
    connector |= {"separator": separator} if separator != "comma" else {}
    connector |= {"encoding": encoding} if encoding != "utf-8" else {}
    table = _table(path, connector, pl.concat(frames, how="vertical_relaxed"), complete=kept == rows)
    if table.complete:
        return replace(table, rows=rows)
    names = declared_names(frames[0].columns)
    return replace(table, rows=rows, spans={names[name]: span for name, span in spans.items()})


def _thinned(frame: pl.DataFrame, step: int) -> pl.DataFrame:
    """Every so many-th row, evenly over the whole."""
    return frame if step == 1 else frame.gather_every(step)


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
    found = undeclared_rows(variable, table, MAX_ROWS, access)
    fields = {"kind": "sql", "url": variable, "table": table}
    facts = _table(f"{table} of {variable}", fields, found.rows, complete=found.complete)
    names, spans = declared_names(found.rows.columns), dict[str, tuple[datetime, datetime]]()
    widen(spans, found.ends)
    return replace(facts, spans={names[name]: span for name, span in spans.items()})


def _table(label: str, connector: Mapping[str, str], rows: pl.DataFrame, *, complete: bool) -> TableFacts:
    if rows.is_empty():
        raise OnboardingError(f"{label} has {rows.width} columns and no rows: give a table with data.")
    typed, columns, raw = [], [], {}
    has_types = connector.get("format") == "parquet" or connector["kind"] != "files"
    for delivered, name in declared_names(rows.columns).items():
        raw[name] = rows[delivered].alias(name)
        values, facts = _facts(raw[name], _OF_TEXT if has_types else _TYPES)
        typed.append(values)
        columns.append(facts if name == delivered else replace(facts, delivered=(delivered,)))
    together = _put_together(raw, {values.name: values for values in typed}, columns)
    if together is not None:
        typed.append(together[0])
        columns.append(together[1])
    return TableFacts(label, connector, pl.DataFrame(typed), tuple(columns), complete)


def _put_together(
    raw: Mapping[str, pl.Series], typed: Mapping[str, pl.Series], columns: Sequence[ColumnFacts]
) -> tuple[pl.Series, ColumnFacts] | None:
    """The time that several columns make, where no single one has it."""
    formats = {facts.name: facts.written["format"] for facts in columns if "format" in facts.written}
    names, form = parts_of_a_time(raw, typed, formats)
    name = EVENT_TIME if EVENT_TIME not in raw else f"{EVENT_TIME}_of_parts"
    if not names or name in raw:
        return None
    delivered = {facts.name: (facts.delivered or (facts.name,))[0] for facts in columns}
    values = read_as([raw[part] for part in names], form).alias(name)
    facts = _described(values, "datetime", 0, f"put together from {', '.join(names)}: taken for UTC")
    return values, replace(facts, delivered=tuple(delivered[part] for part in names), written={"format": form})


def _facts(series: pl.Series, of_text: Sequence[ColumnType]) -> tuple[pl.Series, ColumnFacts]:
    """The typed column and what can be said of it."""
    signs = _missing_signs(series, of_text)
    if signs:
        without = series.set(series.str.strip_chars().is_in(signs).fill_null(False), None)
        values, facts = _facts(without, of_text)
        return values, replace(facts, written={**facts.written, "missing": signs})
    values, type_, misfits = _typed(series, of_text)
    values = values.fill_nan(None) if values.dtype == pl.Float64 and series.dtype != pl.String else values
    comma = _decimal_comma(series) if type_ == "string" and "float64" in of_text else {}
    if comma:
        column = Column.model_validate({"name": series.name, "type": "float64", "description": "", **comma})
        numbers = cast_text(written([series], column), column).alias(series.name)
        return numbers, replace(_described(numbers, "float64", 0, "written with a decimal comma"), written=comma)
    form = _written_format(series, values, type_)
    if form:
        type_, hint = "datetime", f"written as {form}"
        values = read_as([series], form).alias(series.name)
        misfits = values.null_count() - series.null_count()
        return values, replace(_described(values, type_, misfits, hint), written={"format": form})
    known = values.drop_nulls()
    return values, _described(values, type_, misfits, _hint(series, known, type_))


def _missing_signs(series: pl.Series, of_text: Sequence[ColumnType]) -> list[str]:
    """Signs for no value in a column of text that holds nothing but numbers or times beside them."""
    if series.dtype != pl.String:
        return []
    known = series.drop_nulls().str.strip_chars()
    signs = sorted(set(known.unique().to_list()) & _SIGNS)
    rest = known.filter(~known.is_in(signs)) if signs else known
    if not signs or rest.is_empty() or _typed(series, of_text)[1] != "string":
        return []
    return signs if _typed(rest, of_text)[1] not in ("string", "bool") else []


def _decimal_comma(series: pl.Series) -> dict[str, Any]:
    """How numbers with a decimal comma are declared; nothing where a cell is none, or each comma may stand between thousands."""
    if series.dtype != pl.String:
        return {}
    known = series.drop_nulls().str.strip_chars()
    if not known.len() or not known.str.contains(_COMMA_NUMBER).all() or not known.str.contains(_SURE_COMMA).any():
        return {}
    groups = bool(known.str.contains(".", literal=True).any())
    return {"decimal_mark": ",", **({"thousands": "."} if groups else {})}


def _written_format(series: pl.Series, values: pl.Series, type_: ColumnType) -> str:
    """The format of a column that holds times in another form than ISO 8601; nothing for any other."""
    if series.dtype == pl.String and type_ == "string":
        return format_of(series) if bool(series.drop_nulls().str.contains(_LOCAL_TIME).any()) else ""
    is_named_so = bool(_TIME_LIKE & set(series.name.split("_")))
    return format_of_numbers(values, is_named_so=is_named_so) if type_ == "int64" else ""


def _described(values: pl.Series, type_: ColumnType, misfits: int, hint: str) -> ColumnFacts:
    """What can be said of a typed column."""
    known = values.drop_nulls()
    distinct = known.n_unique()
    numeric = type_ in ("int64", "float64")
    few = distinct <= 20 and type_ in ("int64", "string")
    limits = known.filter(known.is_finite()) if type_ == "float64" else known
    return ColumnFacts(
        name=values.name,
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
        hint=hint,
    )


def _hint(delivered: pl.Series, values: pl.Series, type_: ColumnType) -> str:
    """What a reader of the proposal has to know about the values, beside their type."""
    if delivered.dtype == pl.Date or (type_ == "datetime" and bool((values.dt.time() == time(0)).all())):
        return "days only: taken for their midnight, UTC"
    if type_ == "datetime" and delivered.dtype == pl.String and not delivered.drop_nulls().str.contains(_ZONE).any():
        return "no zone is written: taken for UTC"
    if isinstance(delivered.dtype, pl.Datetime) and delivered.dtype.time_zone is None:
        return "no zone is stored: taken for UTC"
    if type_ == "string" and len(values) and values.str.contains(_LOCAL_TIME).all():
        return f"looks like a time ({values[0]}), whose days and months may be exchanged, or of several forms: declare its `format`"
    if type_ == "string" and len(values) and _zeros_lead(values):
        return "digits, but zeros lead: kept as text"
    return ""


def _zeros_lead(text: pl.Series) -> bool:
    """Whether some cells are digits that a number would not keep, such as 01234."""
    return bool(text.str.contains(r"^0\d+$").any())


def _typed(series: pl.Series, of_text: Sequence[ColumnType]) -> tuple[pl.Series, ColumnType, int]:
    if series.dtype == pl.String:
        for type_ in ("datetime",) if _zeros_lead(series.drop_nulls()) else of_text:
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
