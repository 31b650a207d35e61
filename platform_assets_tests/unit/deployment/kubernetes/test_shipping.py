"""Shipping a release: stored once under its digest, and fetched back by the command that a pod runs."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from platform_assets.deployment.errors import InvalidRelease
from platform_assets.deployment.kubernetes.shipping import ShippingFailed, ship
from platform_assets.testing.servers import s3
from serving.fetch_release import NOT_THERE, REFUSED, main
from serving.release_archive import archive_name


def settings(releases: object) -> Any:
    return SimpleNamespace(releases=str(releases))


@pytest.fixture
def release(tmp_path: Path) -> Path:
    root = tmp_path / "release"
    root.mkdir()
    (root / "model").write_text("a model")
    return root


@pytest.fixture
def store(tmp_path: Path) -> Path:
    folder = tmp_path / "releases"
    folder.mkdir()
    return folder


def test_a_pod_fetches_what_was_shipped(release: Path, store: Path, tmp_path: Path) -> None:
    shipped = ship(release, settings(store))
    command = shipped.fetch_command(str(tmp_path / "pod"), str(tmp_path / "cache"), 0.5)
    assert command[:3] == ["python", "-m", "serving.fetch_release"]
    assert main(command[3:]) == 0
    assert (tmp_path / "pod" / "model").read_text() == "a model"
    assert main(shipped.fetch_command(str(tmp_path / "pod"))[3:]) == 0


def test_a_release_is_stored_once(release: Path, store: Path) -> None:
    first, second = ship(release, settings(store)), ship(release, settings(store))
    assert (first.stored, second.stored) == (True, False)
    assert (first.uri, first.digest, first.size_bytes) == (second.uri, second.digest, second.size_bytes)
    assert [str(path) for path in store.iterdir()] == [first.uri]
    assert first.digest.removeprefix("sha256:") in first.uri


def test_an_archive_that_was_damaged_where_it_is_stored_is_stored_anew(
    release: Path, store: Path, tmp_path: Path
) -> None:
    shipped = ship(release, settings(store))
    Path(shipped.uri).write_text("damage")
    assert ship(release, settings(store)).stored
    assert main(shipped.fetch_command(str(tmp_path / "pod"))[3:]) == 0


def test_a_folder_that_is_not_there_is_said_with_the_setting(release: Path, tmp_path: Path) -> None:
    with pytest.raises(ShippingFailed, match=r"no folder .*/nowhere.*`releases` in PLATFORM_ASSETS_KUBERNETES"):
        ship(release, settings(tmp_path / "nowhere"))


def test_an_empty_release_is_invalid(store: Path, tmp_path: Path) -> None:
    with pytest.raises(InvalidRelease, match="no release to ship"):
        ship(tmp_path / "nothing", settings(store))
    assert list(store.iterdir()) == []


def test_a_pod_fetches_from_an_object_store(release: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with s3() as store:
        store.bucket("models")
        shipped = ship(release, settings("s3://models/releases"), store.options)
        assert not ship(release, settings("s3://models/releases"), store.options).stored
        assert "test" not in shipped.uri
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
        assert main(shipped.fetch_command(str(tmp_path / "pod"))[3:]) == 0
        assert (tmp_path / "pod" / "model").read_text() == "a model"
        store.put("models", f"releases/{archive_name(shipped.digest)}", "damage")
        assert main(shipped.fetch_command(str(tmp_path / "pod"))[3:]) == REFUSED
        assert ship(release, settings("s3://models/releases"), store.options).stored
        with pytest.raises(ShippingFailed, match="nowhere"):
            ship(release, settings("s3://nowhere/releases"), store.options)
        absent = shipped.uri.replace(shipped.digest.removeprefix("sha256:"), "0" * 64)
        assert main(["--uri", absent, "--digest", shipped.digest, "--to", str(tmp_path / "pod")]) == NOT_THERE
