"""Taking text files apart: CSV and JSON lines, every cell as text, every row with its line.

Belongs here: the two formats, and what a row that breaks its format becomes. Does not belong here: finding files
(`days.py`) and turning text into values (`connectors/casting.py`).
"""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import polars as pl

from platform_assets.connectors.errors import SourceError

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class TextRows(NamedTuple):
    """Rows of a text file, in order."""

    cells: pl.DataFrame
    """The file's columns, as String."""
    problems: pl.Series
    """String: why the row could not be taken apart, with its text; null for a row that could."""
    lines: pl.Series
    """Int64: the line at which the row begins, the first line being 1."""


def parse_csv(data: bytes, where: str, separator: str = ",") -> TextRows:
    """Rows of a CSV file with a header, UTF-8.

    An empty cell is null, quoted or not; a blank line is no row. A row with too many or too few cells has all its
    cells null.

    Args:
        data: The file's bytes.
        where: Name of the file, for messages.
        separator: What stands between cells.

    Raises:
        SourceError: If the file is empty, not UTF-8, or a quote is not closed: then no row can be trusted.
    """
    data = data.removeprefix(_BYTE_ORDER_MARK)
    if not data.strip():
        raise SourceError(f"{where} is empty: not even a header. Deliver it again, or remove it.")
    try:
        frame = pl.read_csv(data, infer_schema=False, separator=separator)
    except pl.exceptions.ComputeError:
        return _parse_csv_exactly(data, where, separator)
    if not _is_regular(frame, data, separator):
        return _parse_csv_exactly(data, where, separator)
    if b'""' in data:
        frame = frame.with_columns(pl.when(pl.all() != "").then(pl.all()))
    lines = pl.int_range(2, frame.height + 2, dtype=pl.Int64, eager=True)
    return TextRows(frame, pl.repeat(None, frame.height, dtype=pl.String, eager=True), lines)


def parse_json_lines(data: bytes, where: str, always: Sequence[str]) -> TextRows:
    """Rows of a file with one JSON object a line, UTF-8.

    Numbers keep their text. A blank line is no row. A line that is no object has all its cells null.

    Args:
        data: The file's bytes.
        where: Name of the file, for messages.
        always: Columns that an object may leave out: they exist even when every object does.

    Raises:
        SourceError: If the file is not UTF-8.
    """
    columns: dict[str, list[str | None]] = {name: [] for name in always}
    problems: list[str | None] = []
    lines: list[int] = []
    for number, line in text_lines(data, where):
        cells = json_object(line)
        for key, value in (cells or {}).items():
            if key not in columns:
                columns[key] = [None] * len(lines)
            columns[key].append(json_text(value))
        problems.append(None if cells is not None else f"not a JSON object: {line.strip()}")
        lines.append(number)
        if cells is None or len(cells) < len(columns):
            for column in columns.values():
                if len(column) < len(lines):
                    column.append(None)
    return _text_rows(columns, problems, lines)


def as_utf_8(data: bytes, encoding: str, where: str) -> bytes:
    """The bytes of a file in UTF-8, whatever encoding it is declared in.

    Raises:
        SourceError: If it is not in that encoding.
    """
    if encoding == "utf-8":
        return data
    try:
        return data.decode(encoding).encode()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise SourceError(
            f"{where}, line {line}: byte {data[error.start]:#04x} does not occur in {encoding}. Declare the connector's `encoding` as the "
            "file is written."
        ) from error


def text_lines(data: bytes, where: str) -> Iterator[tuple[int, str]]:
    """Number and text of each line that is not blank, of a file in UTF-8.

    Raises:
        SourceError: If the file is in another encoding.
    """
    lines = _decode(data.removeprefix(_BYTE_ORDER_MARK), where).split("\n")
    return ((number, line) for number, line in enumerate(lines, start=1) if line.strip())


def _text_rows(columns: dict[str, list[str | None]], problems: list[str | None], lines: list[int]) -> TextRows:
    cells = pl.DataFrame([pl.Series(name, cells, dtype=pl.String) for name, cells in columns.items()])
    return TextRows(cells, pl.Series(problems, dtype=pl.String), pl.Series(lines, dtype=pl.Int64))


_NO_NUMBERS = ("NaN", "Infinity", "-Infinity")
"""What Python reads as numbers and JSON does not know."""


class Number(str):
    """A number in JSON, as it is written."""

    __slots__ = ()


def json_value(text: str | bytes) -> Any:
    """The JSON in a text, its numbers as they are written.

    Raises:
        ValueError: If it is none, or one that no table can hold.
    """
    try:
        value = json.loads(text, parse_int=Number, parse_float=Number, parse_constant=Number)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    if ("\\u" if isinstance(text, str) else b"\\u") in text:  # type: ignore[operator]
        # Half of a surrogate pair is valid JSON and no valid text.
        json.dumps(value, ensure_ascii=False).encode()
    return value


def json_object(text: str | bytes) -> dict[str, Any] | None:
    """The object in a text, its numbers as they are written; None where there is none, or one that no table can hold."""
    try:
        value = json_value(text)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def json_text(value: Any) -> str | None:
    """The cell that a value makes: its text, JSON where it has parts, nothing for no or empty text."""
    if value is None:
        return None
    if isinstance(value, str):
        return str(value) or None
    return _exact(value)


def _exact(value: Any) -> str:
    """JSON with every number as it was written."""
    if isinstance(value, Number) and value not in _NO_NUMBERS:
        return str(value)
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(key, ensure_ascii=False)}: {_exact(v)}" for key, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_exact, value)) + "]"
    return json.dumps(value, ensure_ascii=False)


def _is_regular(frame: pl.DataFrame, data: bytes, separator: str) -> bool:
    """Whether every line is one row with all its cells, so that the fast reader's rows are the file's lines."""
    lines = data.count(b"\n") + (not data.endswith(b"\n"))
    if lines != frame.height + 1:
        return False
    if frame.height == 0 or frame[frame.columns[-1]].null_count() == 0:
        return True
    # The reader fills a short row with nulls. Without quotes, counting the separators tells whether there is one.
    if frame.width == 1 or b'"' in data:
        return False
    return data.count(separator.encode()) == (frame.width - 1) * lines


def _parse_csv_exactly(data: bytes, where: str, separator: str) -> TextRows:
    """As `parse_csv`, row by row: slower, and sure of every line."""
    text = _decode(data, where)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    columns: list[list[str | None]] = []
    header: list[str] = []
    problems: list[str | None] = []
    lines: list[int] = []
    begins = 1
    try:
        for cells in reader:
            at, begins = begins, reader.line_num + 1
            if not cells:
                continue
            if not header:
                header = _distinct(cells)
                columns = [[] for _ in header]
                continue
            lines.append(at)
            fits = len(cells) == len(header)
            problems.append(None if fits else f"{len(cells)} cells instead of {len(header)}: {separator.join(cells)}")
            for column, cell in zip(columns, cells if fits else [""] * len(header), strict=True):
                column.append(cell or None)
    except csv.Error as error:
        raise SourceError(
            f"{where}, from line {begins} on, cannot be taken apart: {error}. A quote is probably not closed: deliver "
            f"the file again."
        ) from error
    return _text_rows(dict(zip(header, columns, strict=True)), problems, lines)


def _distinct(names: Iterable[str]) -> list[str]:
    """Header names, a repeated one named as the fast reader does."""
    seen: Counter[str] = Counter()
    result = []
    for name in names:
        result.append(f"{name}_duplicated_{seen[name] - 1}" if seen[name] else name)
        seen[name] += 1
    return result


def _decode(data: bytes, where: str) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise SourceError(
            f"{where}, line {line}: byte {data[error.start]:#04x} is not UTF-8. Declare the connector's `encoding`, or "
            "deliver the file in UTF-8."
        ) from error
