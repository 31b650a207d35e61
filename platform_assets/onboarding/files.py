"""Files of undeclared columns: finding them, their format and separator, and reading one.

Belongs here: files as they lie there. Does not belong here: what their columns hold (`facts.py`), and reading declared ones
(`connectors/files/`).
"""

from __future__ import annotations

import csv
import glob
import gzip
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

import polars as pl

from platform_assets.connectors.files.text_formats import as_utf_8, parse_csv, parse_json_lines
from platform_assets.declaration.sections.connectors.files import SEPARATORS

Format = Literal["csv", "parquet", "jsonl"]
FORMATS: tuple[Format, ...] = ("csv", "parquet", "jsonl")
_ENDINGS: Mapping[str, Format] = {
    "csv": "csv",
    "parquet": "parquet",
    "pq": "parquet",
    "parq": "parquet",
    "jsonl": "jsonl",
    "ndjson": "jsonl",
}


class OnboardingError(ValueError):
    """Data that nothing can be proposed for; the message says why and what to do."""


def find_files(path: str) -> list[Path]:
    """The files at a path, in order.

    Raises:
        OnboardingError: there are none.
    """
    given = Path(path)
    if given.is_file():
        return [given]
    if given.is_dir():
        files = [file for file in sorted(given.rglob("*")) if file.is_file() and not file.name.startswith((".", "_"))]
        files = [file for file in files if format_of_file(file) is not None]
    else:
        files = [Path(match) for match in sorted(glob.glob(path, recursive=True)) if Path(match).is_file()]
    if not files:
        raise OnboardingError(
            f"there is no file at {path}: give a CSV, Parquet or JSON-lines file, a folder or a glob."
        )
    return files


def format_of_file(file: Path) -> Format | None:
    """The format that a file's name says; None for any other."""
    name = file.name.removesuffix(".gz")
    return _ENDINGS.get(name.rpartition(".")[2]) if "." in name else None


def format_of_files(files: Sequence[Path], path: str) -> Format:
    """Their one format.

    Raises:
        OnboardingError: they have several, or one that is not read.
    """
    formats = {format_of_file(file) for file in files}
    if len(formats) != 1 or None in formats:
        names = ", ".join(sorted({file.suffix or file.name for file in files}))
        raise OnboardingError(
            f"the files at {path} end in {names}: a table has one format, .csv, .parquet or .jsonl (with .gz or without)."
        )
    (format_,) = formats
    assert format_ is not None
    return format_


def separator_of(file: Path, encoding: str = "utf-8") -> str:
    """The name of what stands between the names in a header: the one of the four that occurs most, outside of quotes."""
    header = re.sub(r'"[^"]*"', "", _first_line(file, encoding))
    return max(SEPARATORS, key=lambda name: header.count(SEPARATORS[name]))


def encoding_of(file: Path) -> str:
    """How the characters of a text file are written: UTF-8 where it can be read so, else UTF-16 by its mark, else Windows' letters.

    A file in which a byte stands for no character of Windows is taken for UTF-8: reading it says where it is none.
    """
    try:
        data = _bytes_of(file)
    except (OSError, EOFError):
        return "utf-8"  # reading it says what is wrong
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "utf-16"
    for encoding in ("utf-8", "windows-1252"):
        try:
            data.decode(encoding)
        except UnicodeDecodeError:
            continue
        return encoding
    return "utf-8"


def header_of(file: Path, format_: Format) -> tuple[str, ...]:
    """Names of the columns of a file, in any order; nothing of JSON lines, where each line has its own.

    Raises:
        OnboardingError: it cannot be read.
    """
    if format_ == "jsonl":
        return ()
    try:
        if format_ == "parquet":
            return tuple(sorted(pl.read_parquet_schema(file)))
    except (OSError, pl.exceptions.PolarsError) as error:
        raise OnboardingError(f"{file} cannot be read as {format_}: {error}") from error
    encoding = encoding_of(file)
    line, separator = _first_line(file, encoding), SEPARATORS[separator_of(file, encoding)]
    return tuple(sorted(next(csv.reader([line], delimiter=separator), [])))


def _first_line(file: Path, encoding: str) -> str:
    try:
        with gzip.open(file) if file.suffix == ".gz" else file.open("rb") as opened:
            begin = opened.read(1 << 16)
    except (OSError, EOFError):
        return ""  # reading it says what is wrong
    text = begin.decode(encoding, errors="replace").removeprefix("\ufeff")
    return text.partition("\n")[0].rstrip("\r")


def _bytes_of(file: Path) -> bytes:
    data = file.read_bytes()
    return gzip.decompress(data) if file.suffix == ".gz" else data


def read_file(file: Path, format_: Format, separator: str, encoding: str = "utf-8") -> pl.DataFrame:
    """A file's cells, as text where the format has no types.

    Raises:
        OnboardingError: it cannot be read.
    """
    try:
        if format_ == "parquet":
            return pl.read_parquet(file, glob=False, hive_partitioning=False)
        data = as_utf_8(_bytes_of(file), encoding, str(file))
        return (
            parse_csv(data, str(file), SEPARATORS[separator])
            if format_ == "csv"
            else parse_json_lines(data, str(file), [])
        ).cells
    except (OSError, EOFError, ValueError, pl.exceptions.PolarsError) as error:
        raise OnboardingError(f"{file} cannot be read as {format_}: {error}") from error
