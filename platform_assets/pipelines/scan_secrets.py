"""Searching files for secrets that are known, in the forms they are written in.

Belongs here: the forms, and opening archives and tables. Does not belong here: which texts are secret (`cli/hidden_values.py`), or finding
secrets that nobody knows (a scanner of repositories does).
"""

from __future__ import annotations

import base64
import gzip
import io
import json
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO
from urllib.parse import quote, quote_plus

SHORTEST = 6
"""What is shorter is found everywhere."""
CHUNK_BYTES = 8 * 2**20
TABLE_ROWS = 50_000


@dataclass(frozen=True)
class FoundSecret:
    """A place where a secret stands.

    Attributes:
        path: the file; within an archive or a table with the member's or column's name.
        form: how it is written there.
        position: of its first byte; of a table, the row.
    """

    path: str
    form: str
    position: int


@dataclass
class ScanResult:
    """What a search came upon.

    Attributes:
        found: each secret in each file once for each form.
        unread: files that could not be read, with why.
        files: how many were read.
        bytes_read: of them, unpacked.
    """

    found: list[FoundSecret] = field(default_factory=list)
    unread: list[tuple[str, str]] = field(default_factory=list)
    files: int = 0
    bytes_read: int = 0


def forms_of(secret: str) -> dict[bytes, str]:
    """The ways in which a secret may be written, with their names."""
    raw = secret.encode()
    found = {raw: "the text"}
    for form, text in (
        ("the URL form", quote(secret, safe="")),
        ("the URL form", quote_plus(secret)),
        ("the JSON form", json.dumps(secret)[1:-1]),
        ("the hexadecimal form", raw.hex()),
    ):
        found.setdefault(text.encode(), form)
    for shift in range(3):
        # Where a secret begins within a longer text decides which of three forms base64 gives it; its ends mix with what is beside it.
        packed = base64.b64encode(b"\0" * shift + raw)
        inner = packed[(0, 2, 3)[shift] : len(packed) - (0, 3, 2)[(shift + len(raw)) % 3] or None].rstrip(b"=")
        if len(inner) >= SHORTEST:
            found.setdefault(inner, "base64")
            found.setdefault(inner.translate(bytes.maketrans(b"+/", b"-_")), "base64 of URLs")
    return found


def scan_files(paths: Sequence[Path], secrets: Sequence[str]) -> ScanResult:
    """Search files, and all files of folders; gzip, zip and Parquet are looked into.

    Args:
        paths: files and folders.
        secrets: what to look for; texts shorter than `SHORTEST` are left out.

    Raises:
        ValueError: a path does not exist.
    """
    forms = {form: name for secret in secrets if len(secret) >= SHORTEST for form, name in forms_of(secret).items()}
    result = ScanResult()
    for path in paths:
        if not path.exists():
            raise ValueError(f"{path} does not exist; name files or folders")
    if not forms:
        return result
    for path in paths:
        for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
            if not file.is_file() or file.is_symlink():
                continue
            try:
                for name, content in _contents(file):
                    _search(name, content, forms, result)
                result.files += 1
            except FileNotFoundError:
                continue  # it went meanwhile
            except (OSError, EOFError, zlib.error, zipfile.BadZipFile, ValueError) as error:
                result.unread.append((str(file), f"{type(error).__name__}: {error}"))
    return result


def _search(name: str, content: Iterator[bytes], forms: Mapping[bytes, str], result: ScanResult) -> None:
    waiting, longest = dict(forms), max(map(len, forms))
    before, position = b"", 0
    for chunk in content:
        result.bytes_read += len(chunk)
        text = before + chunk
        for form in [form for form in waiting if form in text]:
            result.found.append(FoundSecret(name, waiting.pop(form), position - len(before) + text.find(form)))
        position += len(chunk)
        before = text[1 - longest :] if longest > 1 else b""


def _contents(path: Path) -> Iterator[tuple[str, Iterator[bytes]]]:
    """A file's bytes, and what is packed in it."""
    with path.open("rb") as file:
        begin = file.read(4)
    yield str(path), _chunks(path.open("rb"))
    if begin[:2] == b"\x1f\x8b":
        yield f"{path} (unpacked)", _chunks(gzip.GzipFile(path, "rb"))
    elif begin == b"PK\x03\x04":
        with zipfile.ZipFile(path) as archive:
            for member in archive.infolist():
                if not member.is_dir():
                    yield f"{path}!{member.filename}", _chunks(archive.open(member))
    elif begin == b"PAR1":
        yield from _columns(path)


def _chunks(file: IO[bytes] | io.BufferedIOBase) -> Iterator[bytes]:
    with file:
        while chunk := file.read(CHUNK_BYTES):
            yield chunk


def _columns(path: Path) -> Iterator[tuple[str, Iterator[bytes]]]:
    """Columns of text, and of lists and structures that may hold some, which Parquet compresses."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pq.ParquetFile(path)
    names = [
        column.name
        for column in table.schema_arrow
        if not (
            pa.types.is_primitive(column.type) or pa.types.is_temporal(column.type) or pa.types.is_decimal(column.type)
        )
    ]
    for column in names:
        batches = table.iter_batches(TABLE_ROWS, columns=[column])
        yield f"{path}!{column}", ("\n".join(map(str, batch.column(0).to_pylist())).encode() for batch in batches)
