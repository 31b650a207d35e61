"""Bringing a release into a pod: verified before it is unpacked, from the node's cache where it has it."""

import errno
import fcntl
import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, BinaryIO

import pytest

from serving import fetch_release, release_cache
from serving.fetch_release import LIBRARIES_DIFFER, NO_SPACE, NOT_THERE, REFUSED, FetchError, fetch, main
from serving.release_archive import archive_name, write_archive
from serving.release_cache import ReleaseCache

ROOT = Path(fetch_release.__file__).parents[1]


class Shipped:
    """Releases in a folder, as `ship` puts them there."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()

    def release(self, name: str, size_bytes: int = 1000, requirements: str = "") -> tuple[str, str]:
        """Address and digest of a new release, whose archive is a little larger than its content."""
        root = self.folder / f"{name}-files"
        (root / "src").mkdir(parents=True)
        (root / "name").write_text(name)
        (root / "model").write_bytes(os.urandom(size_bytes))
        if requirements:
            (root / "src" / "requirements.txt").write_text(requirements)
        digest = write_archive(root, self.folder / name)
        return str(self.folder / name), digest


@pytest.fixture
def shipped(tmp_path: Path) -> Shipped:
    return Shipped(tmp_path / "shipped")


@pytest.fixture
def cache(tmp_path: Path) -> ReleaseCache:
    return ReleaseCache(tmp_path / "cache", 10_000)


def count(cache: ReleaseCache, name: str) -> int:
    text = (cache.folder / "metrics.prom").read_text()
    return int(
        next(line.split()[1] for line in text.splitlines() if line.startswith(f"platform_assets_release_cache_{name} "))
    )


def kept(cache: ReleaseCache, digest: str) -> Path:
    return cache.folder / archive_name(digest)


def test_the_second_pod_needs_no_origin(shipped: Shipped, cache: ReleaseCache, tmp_path: Path) -> None:
    uri, digest = shipped.release("one")
    assert not fetch(uri, digest, tmp_path / "first", cache).from_cache
    Path(uri).unlink()
    assert fetch(uri, digest, tmp_path / "second", cache).from_cache
    assert (tmp_path / "second" / "name").read_text() == "one"
    assert (count(cache, "misses_total"), count(cache, "hits_total"), count(cache, "releases")) == (1, 1, 1)
    assert count(cache, "bytes") == kept(cache, digest).stat().st_size


def test_another_content_is_refused_before_anything_is_unpacked(
    shipped: Shipped, cache: ReleaseCache, tmp_path: Path
) -> None:
    uri, digest = shipped.release("one")
    other, _ = shipped.release("two")
    for used in (cache, None):
        with pytest.raises(FetchError, match=r"changed after it was shipped.*Nothing was unpacked") as refused:
            fetch(other, digest, tmp_path / "pod", used)
        assert refused.value.exit_code == REFUSED
        assert list((tmp_path / "pod").iterdir()) == []
    assert not kept(cache, digest).exists()
    assert not fetch(uri, digest, tmp_path / "pod", cache).from_cache


def test_an_upload_that_was_cut_off_is_refused(shipped: Shipped, cache: ReleaseCache, tmp_path: Path) -> None:
    uri, digest = shipped.release("one")
    Path(uri).write_bytes(Path(uri).read_bytes()[:-10])
    with pytest.raises(FetchError, match="cut off"):
        fetch(uri, digest, tmp_path / "pod", cache)


def test_a_damaged_cache_entry_is_fetched_anew(shipped: Shipped, cache: ReleaseCache, tmp_path: Path) -> None:
    uri, digest = shipped.release("one")
    fetch(uri, digest, tmp_path / "pod", cache)
    with kept(cache, digest).open("r+b") as stream:
        stream.seek(500)
        stream.write(b"damage")
    assert not fetch(uri, digest, tmp_path / "pod", cache).from_cache
    assert (tmp_path / "pod" / "name").read_text() == "one"
    assert count(cache, "damaged_total") == 1
    assert fetch(uri, digest, tmp_path / "pod", cache).from_cache


def test_the_least_recently_used_release_makes_room(shipped: Shipped, cache: ReleaseCache, tmp_path: Path) -> None:
    releases = {name: shipped.release(name, 3000) for name in ("one", "two", "three", "four")}
    for day, name in enumerate(("one", "two", "three"), start=1):
        fetch(*releases[name], tmp_path / "pod", cache)
        os.utime(kept(cache, releases[name][1]), (day, day))
    fetch(*releases["one"], tmp_path / "pod", cache)
    fetch(*releases["four"], tmp_path / "pod", cache)
    assert {name: kept(cache, digest).exists() for name, (_, digest) in releases.items()} == {
        "one": True, "two": False, "three": True, "four": True,
    }  # fmt: skip
    assert count(cache, "evicted_total") == 1
    assert count(cache, "bytes") <= cache.limit_bytes == count(cache, "limit_bytes")


def test_a_release_larger_than_the_cache_evicts_nothing(
    shipped: Shipped, cache: ReleaseCache, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    small, large = shipped.release("small"), shipped.release("large", 20_000)
    fetch(*small, tmp_path / "pod", cache)
    assert not fetch(*large, tmp_path / "pod", cache).from_cache
    assert (tmp_path / "pod" / "name").read_text() == "large"
    assert sorted(path.name for path in (tmp_path / "pod").iterdir()) == ["model", "name", "src"]
    assert kept(cache, small[1]).exists()
    assert not kept(cache, large[1]).exists()
    assert count(cache, "too_large_total") == 1
    assert "larger than the node's cache" in capsys.readouterr().err


def test_pods_that_start_together_download_once(
    shipped: Shipped, cache: ReleaseCache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    uri, digest = shipped.release("one", 100_000)
    cache = ReleaseCache(cache.folder, 10**6)
    together, downloads = threading.Barrier(6), []
    download = fetch_release._Origin.download

    def counted(self: Any, out: BinaryIO) -> None:
        downloads.append(self.uri)
        download(self, out)

    monkeypatch.setattr(fetch_release._Origin, "download", counted)

    def pod(number: int) -> bool:
        together.wait()
        return fetch(uri, digest, tmp_path / f"pod-{number}", cache).from_cache

    with ThreadPoolExecutor(6) as pods:
        found = list(pods.map(pod, range(6)))
    assert sorted(found) == [False, True, True, True, True, True]
    assert len(downloads) == 1
    assert {(tmp_path / f"pod-{number}" / "name").read_text() for number in range(6)} == {"one"}
    assert (count(cache, "hits_total"), count(cache, "misses_total")) == (5, 1)


def test_pods_of_different_releases_stay_within_the_limit_together(
    shipped: Shipped, cache: ReleaseCache, tmp_path: Path
) -> None:
    releases = [shipped.release(f"release-{number}", 2500) for number in range(8)]
    with ThreadPoolExecutor(8) as pods:
        list(pods.map(lambda number: fetch(*releases[number], tmp_path / f"pod-{number}", cache), range(8)))
    assert [(tmp_path / f"pod-{number}" / "name").read_text() for number in range(8)] == [
        f"release-{n}" for n in range(8)
    ]
    assert sum(path.stat().st_size for path in cache.folder.glob("*.tar.gz")) <= cache.limit_bytes
    assert not list(cache.folder.glob("*.part"))


def test_what_a_dead_pod_was_downloading_takes_no_room(shipped: Shipped, cache: ReleaseCache, tmp_path: Path) -> None:
    dead = cache.folder / (archive_name(f"sha256:{'0' * 64}") + ".part")
    alive = cache.folder / (archive_name(f"sha256:{'1' * 64}") + ".part")
    (cache.folder / "locks").mkdir(parents=True)
    dead.write_bytes(b"x" * 9000)
    alive.write_bytes(b"x" * 3000)
    with (cache.folder / "locks" / ("1" * 64)).open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        uri, digest = shipped.release("one", 3000)
        fetch(uri, digest, tmp_path / "pod", cache)
    assert not dead.exists()
    assert alive.exists()
    assert kept(cache, digest).exists()


def test_half_a_release_of_an_earlier_try_is_removed(shipped: Shipped, tmp_path: Path) -> None:
    (tmp_path / "pod" / "src").mkdir(parents=True)
    (tmp_path / "pod" / "src" / "half").write_text("")
    (tmp_path / "pod" / ".hidden").write_text("")
    fetch(*shipped.release("one"), tmp_path / "pod")
    assert sorted(path.name for path in (tmp_path / "pod").rglob("*")) == ["model", "name", "src"]


def test_a_cache_that_cannot_be_used_is_passed_by_with_a_warning(
    shipped: Shipped, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    fetch(*shipped.release("one"), tmp_path / "pod", ReleaseCache(tmp_path / "file", 10_000))
    assert (tmp_path / "pod" / "name").read_text() == "one"
    assert "cannot be used" in capsys.readouterr().err


def full(*_: Any, **__: Any) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_full_disk_is_said_with_what_to_do(
    shipped: Shipped, cache: ReleaseCache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetch_release, "unpack", full)
    with pytest.raises(
        FetchError, match=r"is full: the archive has \d+ bytes, \d+ are left.*larger size limit"
    ) as refused:
        fetch(*shipped.release("one"), tmp_path / "pod", cache)
    assert refused.value.exit_code == NO_SPACE


def test_a_full_cache_disk_does_not_keep_the_service_from_starting(
    shipped: Shipped,
    cache: ReleaseCache,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(release_cache.ReleaseCache, "_reserve", full)
    fetch(*shipped.release("one"), tmp_path / "pod", cache)
    assert (tmp_path / "pod" / "name").read_text() == "one"
    assert "No space left on device" in capsys.readouterr().err


def test_an_archive_that_is_not_there_is_said(
    cache: ReleaseCache, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    gone = tmp_path / "gone.tar.gz"
    arguments = ["--uri", str(gone), "--digest", f"sha256:{'0' * 64}", "--to", str(tmp_path / "pod")]
    assert main([*arguments, "--cache", str(cache.folder)]) == NOT_THERE
    assert main(arguments) == NOT_THERE
    assert f"{gone} cannot be read" in capsys.readouterr().err


def test_a_text_that_is_no_digest_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FetchError, match="no digest"):
        fetch("/x", "sha256:../../etc/passwd", tmp_path / "pod")


def test_a_release_for_other_libraries_is_refused(
    shipped: Shipped, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    uri, digest = shipped.release("one", requirements="pytest==0.0.1\nno-such-library==1.0\n")
    assert main(["--uri", uri, "--digest", digest, "--to", str(tmp_path / "pod")]) == LIBRARIES_DIFFER
    error = capsys.readouterr().err
    assert "instead of 0.0.1" in error
    assert "no-such-library 1.0 is absent" in error


def test_the_command_runs_with_the_standard_library_alone(shipped: Shipped, tmp_path: Path) -> None:
    uri, digest = shipped.release("one")
    command = [
        sys.executable,
        "-I",
        "-S",
        "-c",
        "import sys, runpy; sys.path.insert(0, sys.argv.pop(1)); runpy.run_module('serving.fetch_release', run_name='__main__')",
    ]
    arguments = [
        str(ROOT),
        "--uri",
        f"file://{uri}",
        "--digest",
        digest,
        "--to",
        str(tmp_path / "pod"),
        "--cache",
        str(tmp_path / "cache"),
    ]
    done = subprocess.run([*command, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert digest in done.stderr
    assert (tmp_path / "pod" / "name").read_text() == "one"
