"""Reading the service's prediction log: JSON-lines segments, one file per service process, into one typed table.

Belongs here: parsing, checking and de-duplicating lines. Does not belong here: the columns (`declaration/prediction_log.py`),
writing segments (`serving`), and storing the table (`lake`).

A segment is `*.jsonl`, or `*.jsonl.gz` when it is old (`log_segments.py`); a line is one prediction, an object with the columns of
`prediction_log_schema` except `event_day`. Times are ISO 8601 with an offset. Whole files are read each time and request identifiers make
that idempotent, so there is no cursor to lose.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import polars as pl

from platform_assets.declaration.contract import feature_contract_hash
from platform_assets.declaration.hash_chain import CHAIN, ERASED, is_erased
from platform_assets.declaration.prediction_log import (
    FEATURE_PREFIX,
    OPTIONAL_COLUMNS,
    OUTAGE_SUFFIX,
    SHADOW,
    prediction_log_schema,
)
from platform_assets.declaration.sections.sources import EVENT_DAY
from platform_assets.declaration.time_zones import day_of
from platform_assets.declaration.use_case import UseCase
from platform_assets.monitoring.log_segments import is_compressed, segment_paths, segment_text

NULLABLE_COLUMNS = frozenset({"decision", "unknown_entities", *OPTIONAL_COLUMNS})
"""Prediction columns that may be null: a regression decides nothing, and most requests know their entities."""

LINE_BYTES = 1024 * 1024
"""No line is longer: as far as the newest one is looked for."""

NEWEST_SEGMENTS = 32
"""The newest line stands in one of those that were changed last: as many as processes may write at a time, and more."""

_ERASED_LINE = f'{{"{ERASED}":'.encode()

Converter = Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class BadLine:
    """A line that is no prediction, and why.

    Attributes:
        place: `file:line`, the line counted from 1.
        reason: what is wrong, with the field.
    """

    place: str
    reason: str

    def __str__(self) -> str:
        return f"{self.place}: {self.reason}"


@dataclass(frozen=True, slots=True)
class SegmentRead:
    """What a folder of segments holds.

    Attributes:
        frame: one row per request identifier, in `prediction_log_schema`, ordered by (scored_at, request_id); answers of a version
            in shadow are among them (`live_rows`).
        lines_read: complete lines looked at, blank ones not counted.
        torn_lines: last lines without a line break, still being written; they are read the next time.
        duplicate_lines: lines with a request identifier that another line has; the one scored last is kept: a stream's message that was
            scored again after a kill.
        other_contract_lines: predictions made under another feature contract: features that contract lacks are null.
        bad_lines: lines that are no prediction, each with its place and reason.
        erased_lines: lines whose prediction was erased (`platform-assets erase`).
        segments_read: files read.
        segments_skipped: files left out because they were not modified since the time asked for.
    """

    frame: pl.DataFrame
    lines_read: int
    torn_lines: int
    duplicate_lines: int
    other_contract_lines: int
    bad_lines: tuple[BadLine, ...]
    segments_read: int
    segments_skipped: int
    erased_lines: int = 0


@dataclass(frozen=True, slots=True)
class LogOutage:
    """A while in which the log took no lines, so that requests were refused.

    Attributes:
        since: of the first refused request, wall-clock time.
        until: when there was room again.
        refused: how many requests.
        event_days: of their events, ascending.
        reason: the operating system's.
    """

    since: datetime
    until: datetime
    refused: int
    event_days: tuple[date, ...]
    reason: str


class _LineError(ValueError):
    """A line that is no prediction; the message is its reason."""


def read_segments(folder: Path, use_case: UseCase, modified_since: datetime | None = None) -> SegmentRead:
    """Read every segment of a folder.

    Nothing is dropped silently: each complete line is a row, a duplicate or a bad line.

    Args:
        folder: where the service processes write; a folder that does not exist yet holds no segments.
        use_case: gives the columns.
        modified_since: leave out files last modified before this moment: nothing in them was scored since. This is
            wall-clock time, not event time, which may lie far in the past when history is replayed.
    """
    schema = prediction_log_schema(use_case)
    parser = _Parser.of(use_case, schema)
    paths, skipped = _segments(folder, modified_since)
    rows: dict[str, dict[str, Any]] = {}
    bad: list[BadLine] = []
    lines = torn = duplicates = other_contract = erased = 0
    for path in paths:
        *complete, rest = segment_text(path).split(b"\n")
        torn += bool(rest.strip())
        for number, line in enumerate(complete, start=1):
            if not line.strip():
                continue
            lines += 1
            if line.startswith(_ERASED_LINE):
                erased += 1
                continue
            try:
                row = parser.parse(line)
            except _LineError as error:
                bad.append(BadLine(f"{path}:{number}", str(error)))
                continue
            earlier = rows.get(row["request_id"])
            if earlier is not None:
                duplicates += 1
                if row["scored_at"] > earlier["scored_at"]:
                    rows[row["request_id"]] = row
                continue
            other_contract += row["feature_contract"] != parser.contract
            rows[row["request_id"]] = row
    frame = pl.DataFrame(list(rows.values()), schema=schema, orient="row").sort("scored_at", "request_id")
    return SegmentRead(frame, lines, torn, duplicates, other_contract, tuple(bad), len(paths), skipped, erased)


def read_outages(folder: Path) -> tuple[LogOutage, ...]:
    """Every time that requests were refused because the log took no lines, as services left word of it, oldest first.

    Raises:
        ValueError: a file is damaged; its name is in the message.
    """
    outages = []
    for path in sorted(folder.glob(f"*{OUTAGE_SUFFIX}")):
        try:
            values = json.loads(path.read_bytes())
            days = tuple(date.fromisoformat(day) for day in values["event_days"])
            since, until = _time(values["since"]), _time(values["until"])
            outages.append(LogOutage(since, until, int(values["refused"]), days, str(values["reason"])))
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(f"{path} is no report of refused requests: {error}; look at it and remove it") from error
    return tuple(outages)


def newest_line(folder: Path) -> dict[str, Any] | None:
    """The newest prediction of a folder that a caller was given, as its service wrote it; None without one.

    Only the end of each segment is read, the last changed ones first.
    """
    newest: dict[str, Any] | None = None
    segments = sorted(segment_paths(folder), key=lambda path: path.stat().st_mtime, reverse=True)
    for path in segments[:NEWEST_SEGMENTS]:
        complete = _end(path).rpartition(b"\n")[0]
        line = complete.rpartition(b"\n")[2]
        try:
            values = json.loads(line)
        except ValueError:
            continue  # damaged, or not one complete line: reading the whole folder says so
        if not isinstance(values, dict) or values.get("role") == SHADOW or is_erased(values):
            continue
        if newest is None or values.get("scored_at", "") > newest.get("scored_at", ""):
            newest = values
    return newest


def find_line(folder: Path, use_case: UseCase, request: str) -> tuple[str, dict[str, Any]] | None:
    """The newest line of a request, by the log's own id or the caller's, with its place `file:line`; None without one.

    Args:
        folder: where the service processes write.
        use_case: gives the columns.
        request: the id.
    """
    return next(find_lines(folder, use_case, request), None)


def find_lines(folder: Path, use_case: UseCase, request: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every line of a request with its place. Segments are searched the newest first, as text: only lines that hold the id are parsed."""
    parser, wanted = _Parser.of(use_case, prediction_log_schema(use_case)), json.dumps(request).encode()
    for path in reversed(segment_paths(folder)):
        text = segment_text(path)
        begin = text.find(wanted)
        while begin >= 0:
            start, end = text.rfind(b"\n", 0, begin) + 1, text.find(b"\n", begin)
            if end < 0:
                break
            try:
                row = parser.parse(text[start:end])
            except _LineError:
                row = {}
            if request in (row.get("request_id"), row.get("caller_request_id")):
                yield f"{path.name}:{text.count(bytes([10]), 0, start) + 1}", row
            begin = text.find(wanted, end)


def _end(path: Path) -> bytes:
    """The end of a segment, long enough for a line."""
    if is_compressed(path):
        return segment_text(path)[-LINE_BYTES:]
    with path.open("rb") as file:
        file.seek(max(0, file.seek(0, 2) - LINE_BYTES))
        return file.read()


def days_touched(frame: pl.DataFrame) -> tuple[date, ...]:
    """Event days that occur in a prediction log, ascending: the partitions that have to be written again."""
    return tuple(frame[EVENT_DAY].drop_nulls().unique().sort().to_list())


@dataclass(frozen=True, slots=True)
class _Parser:
    """Turns a line into a row, column by column."""

    converters: Mapping[str, Converter]
    nullable: frozenset[str]
    columns: frozenset[str]
    contract: str
    event_time: str
    time_zone: str

    @classmethod
    def of(cls, use_case: UseCase, schema: Mapping[str, pl.DataType]) -> _Parser:
        columns = {name: dtype for name, dtype in schema.items() if name != EVENT_DAY}
        events = use_case.event_source
        nullable = {name for name in use_case.serving.request if events.column(name).nullable}
        nullable |= NULLABLE_COLUMNS | {name for name in columns if name.startswith(FEATURE_PREFIX)}
        return cls(
            converters={name: _converter(dtype) for name, dtype in columns.items()},
            nullable=frozenset(nullable),
            columns=frozenset(columns),
            contract=feature_contract_hash(use_case),
            event_time=use_case.event_time,
            time_zone=use_case.time_zone,
        )

    def parse(self, line: bytes) -> dict[str, Any]:
        try:
            values = json.loads(line)
        except ValueError as error:
            raise _LineError(f"not valid JSON: {error}") from error
        if not isinstance(values, dict):
            raise _LineError(f"expected an object, found {type(values).__name__}")
        values.pop(CHAIN, None)
        if values.keys() != self.columns:
            self._refuse_columns(values)
        row: dict[str, Any] = {}
        for name, convert in self.converters.items():
            value = values.get(name)
            if value is None:
                if name not in self.nullable:
                    raise _LineError(f"{name} is null")
                row[name] = None
                continue
            try:
                row[name] = convert(value)
            except (TypeError, ValueError, OverflowError) as error:
                raise _LineError(f"{name} is {str(value)[:60]!r}: {error}") from error
        row[EVENT_DAY] = day_of(row[self.event_time], self.time_zone)
        return row

    def _refuse_columns(self, values: Mapping[str, Any]) -> None:
        """A line may lack or add features only if it was made under another feature contract."""
        foreign = values.get("feature_contract") != self.contract
        for problem, names in (
            ("lacks", self.columns - values.keys() - frozenset(OPTIONAL_COLUMNS)),
            ("has the unknown field", values.keys() - self.columns),
        ):
            wrong = [name for name in names if not (foreign and name.startswith(FEATURE_PREFIX))]
            if wrong:
                raise _LineError(f"{problem} {', '.join(sorted(wrong))}")


def _segments(folder: Path, modified_since: datetime | None) -> tuple[list[Path], int]:
    """Segments to read, by name, and how many were left out."""
    paths = segment_paths(folder)
    if modified_since is None:
        return paths, 0
    recent = [path for path in paths if path.stat().st_mtime >= modified_since.timestamp()]
    return recent, len(paths) - len(recent)


def _converter(dtype: pl.DataType) -> Converter:
    if dtype.is_integer():
        least, most = pl.select(low=pl.lit(0, dtype).lower_bound(), high=pl.lit(0, dtype).upper_bound()).row(0)
        return lambda value: _integer(value, int(least), int(most))
    if dtype == pl.Float64:
        return _number
    if isinstance(dtype, pl.List):
        return _numbers
    if dtype == pl.Boolean:
        return _boolean
    if isinstance(dtype, pl.Datetime):
        return _time
    return _day if dtype == pl.Date else _text


def _integer(value: Any, least: int, most: int) -> int:
    if type(value) is not int:
        raise TypeError("an integer is expected")
    if not least <= value <= most:
        raise ValueError(f"outside {least} to {most}")
    return value


def _number(value: Any) -> float:
    if type(value) is not float and type(value) is not int:
        raise TypeError("a number is expected")
    return float(value)


def _numbers(value: Any) -> list[float]:
    if type(value) is not list:
        raise TypeError("a list of numbers is expected")
    return [_number(item) for item in value]


def _boolean(value: Any) -> bool:
    if type(value) is not bool:
        raise TypeError("true or false is expected")
    return value


def _text(value: Any) -> str:
    if type(value) is not str:
        raise TypeError("a string is expected")
    return value


def _time(value: Any) -> datetime:
    """A time; services of earlier versions wrote years before 1000 without their zeros."""
    year, dash, rest = _text(value).partition("-")
    moment = datetime.fromisoformat(f"{year:0>4}{dash}{rest}")
    if moment.tzinfo is None:
        raise ValueError("a time with an offset is expected, such as 2018-09-20T10:00:00Z")
    return moment.astimezone(UTC)


def _day(value: Any) -> date:
    return date.fromisoformat(_text(value))
