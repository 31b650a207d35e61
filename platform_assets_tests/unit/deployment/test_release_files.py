"""The files of a release: the same bytes each time, and each change found."""

import hashlib
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from platform_assets_tests.unit.deployment.scripts import ROOT, script

FILES: Any = script("deploy/ci/release_files.py")
VERSION = FILES.version_of(ROOT)
AT = 1_760_000_000


@pytest.fixture
def key(tmp_path: Path) -> Path:
    private = Ed25519PrivateKey.generate()
    path = tmp_path / "private.pem"
    path.write_bytes(private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    public = private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    (tmp_path / "public.pem").write_bytes(public)
    return path


@pytest.fixture
def out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with what the script itself makes, before anything speaks about it."""
    monkeypatch.setattr(FILES.metadata, "version", lambda _: "1.0")
    folder = tmp_path / "dist"
    folder.mkdir()
    FILES.write_chart(folder, VERSION, AT)
    FILES.write_documents(folder, VERSION, AT)
    return folder


def test_archives_are_the_same_bytes_each_time(out: Path, tmp_path: Path) -> None:
    again = tmp_path / "again"
    again.mkdir()
    FILES.write_chart(again, VERSION, AT)
    FILES.write_documents(again, VERSION, AT)
    names = sorted(path.name for path in out.iterdir())
    assert names == sorted(path.name for path in again.iterdir())
    assert all((out / name).read_bytes() == (again / name).read_bytes() for name in names)


def test_the_chart_is_complete_and_has_the_version_of_the_code(out: Path) -> None:
    with tarfile.open(out / f"platform-assets-{FILES.chart_version(VERSION)}.tgz") as archive:
        names = set(archive.getnames())
        text = archive.extractfile("platform-assets/Chart.yaml").read().decode()  # type: ignore[union-attr]
    assert {
        "platform-assets/Chart.yaml",
        "platform-assets/values.yaml",
        "platform-assets/templates/daemon.yaml",
    } <= names
    assert not {name for name in names if name.endswith((".helmignore", ".tgz"))}
    assert f'appVersion: "{VERSION}"' in text


def test_the_documents_come_with_what_assistants_read_and_what_a_site_is_built_from(out: Path) -> None:
    with tarfile.open(out / f"platform_assets-{VERSION}-docs.tar.gz") as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    beside = {"README.md", "CHANGELOG.md", "AGENTS.md", "llms.txt", "mkdocs.yml", "deploy/site/hooks.py"}
    assert beside | {"docs/README.md", "docs/operations/releasing.md"} <= names


def test_a_chart_of_another_version_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=r"Chart.yaml: version is .*; 9.9.9 is 9.9.9 there"):
        FILES.write_chart(tmp_path, "9.9.9", AT)


def test_provenance_names_every_file_and_where_it_comes_from(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RELEASE_SOURCE", "https://git.example/platform-assets")
    path = FILES.write_provenance(out, VERSION, AT, None)
    said = json.loads(path.read_text())
    assert path.name.endswith(".unsigned.intoto.json")
    assert said["_type"] == "https://in-toto.io/Statement/v1"
    subjects = {one["name"]: one["digest"]["sha256"] for one in said["subject"]}
    assert subjects == {one.name: hashlib.sha256(one.read_bytes()).hexdigest() for one in out.iterdir() if one != path}
    sources = said["predicate"]["buildDefinition"]["resolvedDependencies"]
    assert sources[0]["uri"] == "git+https://git.example/platform-assets"
    assert len(sources[0]["digest"]["gitCommit"]) == 40


def test_a_signed_release_is_believed_and_says_the_same_twice(out: Path, key: Path) -> None:
    said = FILES.write_provenance(out, VERSION, AT, key).read_bytes()
    assert FILES.write_provenance(out, VERSION, AT, key).read_bytes() == said
    FILES.write_sums(out)
    assert FILES.problems_of(out, key.with_name("public.pem")) == []


def test_a_flipped_byte_a_missing_and_a_strange_file_are_named(out: Path, key: Path) -> None:
    FILES.write_provenance(out, VERSION, AT, key)
    FILES.write_sums(out)
    documents = next(out.glob("*docs.tar.gz"))
    content = bytearray(documents.read_bytes())
    content[100] ^= 1
    documents.write_bytes(content)
    next(out.glob("*.tgz")).unlink()
    (out / "more.whl").write_text("")
    problems = FILES.problems_of(out, key.with_name("public.pem"))
    assert f"{documents.name} is not what was released" in problems
    assert f"{documents.name} is not what the provenance speaks of" in problems
    assert any(problem.endswith("is missing") for problem in problems)
    assert "more.whl is not listed in SHA256SUMS" in problems


def test_sums_that_were_made_anew_do_not_help_against_the_signature(out: Path, key: Path) -> None:
    FILES.write_provenance(out, VERSION, AT, key)
    documents = next(out.glob("*docs.tar.gz"))
    documents.write_bytes(documents.read_bytes() + b"more")
    FILES.write_sums(out)
    assert FILES.problems_of(out, key.with_name("public.pem")) == [
        f"{documents.name} is not what the provenance speaks of"
    ]


def test_somebody_elses_signature_and_none_are_refused(out: Path, key: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.pem"
    public = Ed25519PrivateKey.generate().public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    other.write_bytes(public)
    FILES.write_provenance(out, VERSION, AT, key)
    FILES.write_sums(out)
    assert any("is not signed by other.pem" in problem for problem in FILES.problems_of(out, other))
    assert any("say with which key" in problem for problem in FILES.problems_of(out, None))
    FILES.write_provenance(out, VERSION, AT, None)
    FILES.write_sums(out)
    assert any("is not signed" in problem for problem in FILES.problems_of(out, other))
