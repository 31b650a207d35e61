"""Files of undeclared columns: finding them, their format and separator, and reading one.

Belongs here: files as they lie there. Does not belong here: what their columns hold (`facts.py`), and reading declared ones
(`connectors/files/`).
"""

from __future__ import annotations

import glob
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

import polars as pl

from platform_assets.connectors.files.text_formats import parse_csv, parse_json_lines
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
    return _ENDINGS.get(name.rpartition(".")[2]) if "." in name else None


def format_of_files(files: Sequence[Path], path: str) -> Format:
    """Their one format.

    Raises:
        OnboardingError: they have several, or one that is not read.
    """
    formats = {_ending(file) for file in files}
    if len(formats) != 1 or None in formats:
        names = ", ".join(sorted({file.suffix or file.name for file in files}))
        raise OnboardingError(
            f"the files at {path} end in {names}: a table has one format, .csv, .parquet or .jsonl (with .gz or without)."
        )
    (format_,) = formats
    assert format_ is not None
    return format_


def separator_of(file: Path) -> str:
    """The name of what stands between the names in a header: the one of the four that occurs most, outside of quotes."""
    import gzip

    try:
        with gzip.open(file) if file.suffix == ".gz" else file.open("rb") as opened:
            header = re.sub(rb'"[^"]*"', b"", opened.readline()).decode(errors="replace")
    except OSError:
        return "comma"  # reading it says what is wrong
    return max(SEPARATORS, key=lambda name: header.count(SEPARATORS[name]))


def read_file(file: Path, format_: Format, separator: str) -> pl.DataFrame:
    """A file's cells, as text where the format has no types.

    Raises:
        OnboardingError: it cannot be read.
    """
    import gzip

    try:
        if format_ == "parquet":
            return pl.read_parquet(file, glob=False, hive_partitioning=False)
        data = gzip.decompress(file.read_bytes()) if file.suffix == ".gz" else file.read_bytes()
        return (
            parse_csv(data, str(file), SEPARATORS[separator])
            if format_ == "csv"
            else parse_json_lines(data, str(file), [])
        ).cells
    except (OSError, EOFError, ValueError, pl.exceptions.PolarsError) as error:
        raise OnboardingError(f"{file} cannot be read as {format_}: {error}") from error
