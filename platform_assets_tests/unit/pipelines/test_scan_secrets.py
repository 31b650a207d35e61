"""Each form in which a secret may have been written is found, and in what it may have been packed."""

from __future__ import annotations

import base64
import gzip
import json
import zipfile
from pathlib import Path
from urllib.parse import quote

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from platform_assets.pipelines import scan_secrets
from platform_assets.pipelines.scan_secrets import forms_of, scan_files

SECRET = 'p4ss/w"ord+§1'


@given(st.binary(max_size=8), st.text(st.characters(codec="utf-8"), min_size=9, max_size=40), st.binary(max_size=8))
def test_base64_is_found_wherever_the_secret_begins(before: bytes, secret: str, after: bytes) -> None:
    packed = base64.b64encode(before + secret.encode() + after)
    assert any(form in packed for form, name in forms_of(secret).items() if name == "base64")


@pytest.mark.parametrize(
    ("form", "text"),
    [
        ("the text", f"x {SECRET} y"),
        ("the URL form", f"https://user:{quote(SECRET, safe='')}@host"),
        ("the JSON form", json.dumps({"a": SECRET})),
        ("the hexadecimal form", SECRET.encode().hex()),
        ("base64", base64.b64encode(f"user:{SECRET}".encode()).decode()),
        ("base64 of URLs", base64.urlsafe_b64encode(f"us:{SECRET}ÿÿ>>".encode()).decode()),
    ],
)
def test_each_form_is_named(form: str, text: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text(text)
    found = scan_files([tmp_path], [SECRET]).found
    assert form in {one.form for one in found} or (form.startswith("base64") and found[0].form.startswith("base64"))
    assert all(one.path == str(tmp_path / "file") for one in found)


def test_archives_and_tables_are_looked_into(tmp_path: Path) -> None:
    (tmp_path / "log.gz").write_bytes(gzip.compress(f"a {SECRET}".encode()))
    with zipfile.ZipFile(tmp_path / "wheel.whl", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("package/module.py", f"KEY = '{SECRET}'")
    table = pl.DataFrame({"number": [1, 2], "text": ["x", SECRET], "nested": [{"a": "b"}, {"a": SECRET}]})
    table.write_parquet(tmp_path / "part.parquet", compression="zstd")
    paths = {one.path.removeprefix(f"{tmp_path}/") for one in scan_files([tmp_path], [SECRET]).found}
    assert {"log.gz (unpacked)", "wheel.whl!package/module.py", "part.parquet!text"} <= paths
    assert any(path.startswith("part.parquet!nested") for path in paths)


def test_a_secret_on_the_border_of_two_reads_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scan_secrets, "CHUNK_BYTES", 16)
    (tmp_path / "file").write_text("." * 11 + SECRET + "." * 30)
    (found,) = scan_files([tmp_path], [SECRET]).found
    assert found.position == 11


def test_what_cannot_be_read_is_no_success(tmp_path: Path) -> None:
    (tmp_path / "damaged.gz").write_bytes(b"\x1f\x8b" + b"no gzip")
    result = scan_files([tmp_path], [SECRET])
    assert [path for path, _ in result.unread] == [str(tmp_path / "damaged.gz")]
