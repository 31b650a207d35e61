"""A release as one file: the same files give the same bytes, and nothing leads out of the folder."""

import io
import os
import tarfile
from pathlib import Path

import pytest

from serving.release_archive import ReleaseArchiveError, unpack, write_archive


def release(folder: Path) -> Path:
    (folder / "src" / "empty").mkdir(parents=True)
    (folder / "src" / "app.py").write_text("answer = 42\n")
    (folder / "start.sh").write_text("#!/bin/sh\n")
    (folder / "start.sh").chmod(0o700)
    (folder / "name with spaces and ü").write_bytes(bytes(range(256)) * 100)
    return folder


def contents(folder: Path) -> dict[str, bytes | None]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() if path.is_file() else None for path in folder.rglob("*")
    }


def unpacked(archive: Path, folder: Path) -> Path:
    folder.mkdir()
    with archive.open("rb") as stream:
        unpack(stream, folder)
    return folder


def test_what_is_unpacked_is_what_was_packed(tmp_path: Path) -> None:
    one = release(tmp_path / "one")
    write_archive(one, tmp_path / "archive")
    two = unpacked(tmp_path / "archive", tmp_path / "two")
    assert contents(two) == contents(one)
    assert os.access(two / "start.sh", os.X_OK)
    assert not os.access(two / "src" / "app.py", os.X_OK)


def test_times_owners_and_compiled_files_change_nothing(tmp_path: Path) -> None:
    one, two = release(tmp_path / "one"), release(tmp_path / "elsewhere" / "two")
    os.utime(two / "src" / "app.py", (1, 1))
    (two / "src" / "app.py").chmod(0o640)
    (two / "src" / "__pycache__").mkdir()
    (two / "src" / "__pycache__" / "app.cpython-311.pyc").write_bytes(b"compiled")
    digest = write_archive(one, tmp_path / "first")
    assert write_archive(two, tmp_path / "second") == digest
    assert (tmp_path / "first").read_bytes() == (tmp_path / "second").read_bytes()


def test_another_byte_is_another_digest(tmp_path: Path) -> None:
    one = release(tmp_path / "one")
    before = write_archive(one, tmp_path / "archive")
    (one / "src" / "app.py").write_text("answer = 43\n")
    assert write_archive(one, tmp_path / "archive") != before


@pytest.mark.parametrize("folder", ["missing", "empty"])
def test_nothing_to_ship_is_an_error(tmp_path: Path, folder: str) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(ReleaseArchiveError, match="missing or empty"):
        write_archive(tmp_path / folder, tmp_path / "archive")


def test_a_link_is_not_shipped(tmp_path: Path) -> None:
    one = release(tmp_path / "one")
    (one / "password").symlink_to("/etc/passwd")
    with pytest.raises(ReleaseArchiveError, match=r"password is a link"):
        write_archive(one, tmp_path / "archive")


def planted(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> io.BytesIO:
    """An archive with one entry that no release has."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        entry = tarfile.TarInfo(name)
        entry.type, entry.linkname = kind, link
        entry.size = 4 if kind == tarfile.REGTYPE else 0
        tar.addfile(entry, io.BytesIO(b"evil"))
    out.seek(0)
    return out


@pytest.mark.parametrize(
    "archive",
    [
        planted("../outside"),
        planted("inside/../../outside"),
        planted("/outside"),
        planted("outside", tarfile.SYMTYPE, "../.."),
        planted("outside", tarfile.LNKTYPE, "../secret"),
        planted("outside", tarfile.FIFOTYPE),
        planted("outside", tarfile.CHRTYPE),
    ],
    ids=["parent", "through a folder", "absolute", "symbolic link", "hard link", "pipe", "device"],
)
def test_nothing_is_unpacked_outside_of_the_folder(tmp_path: Path, archive: io.BytesIO) -> None:
    folder = tmp_path / "a" / "release"
    folder.mkdir(parents=True)
    with pytest.raises(ReleaseArchiveError, match="no archive of ours"):
        unpack(archive, folder)
    assert contents(tmp_path) == {"a": None, "a/release": None}


@pytest.mark.parametrize(
    "damage",
    [lambda data: data[: len(data) // 2], lambda data: b"x" * 400, lambda data: data[:200] + b"x" * 90 + data[290:]],
)
def test_a_damaged_archive_is_said(tmp_path: Path, damage: object) -> None:
    write_archive(release(tmp_path / "one"), tmp_path / "archive")
    (tmp_path / "archive").write_bytes(damage((tmp_path / "archive").read_bytes()))  # type: ignore[operator]
    with pytest.raises(ReleaseArchiveError, match="cannot be read"):
        unpacked(tmp_path / "archive", tmp_path / "two")
