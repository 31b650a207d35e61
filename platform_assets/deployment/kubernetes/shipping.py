"""Putting a release where the pods of a cluster fetch it from.

Belongs here: writing the archive once, under its digest, into a folder or an object store, and the command that fetches it in a pod. Does
not belong here: the archive's format (`serving/release_archive.py`), and fetching (`serving/fetch_release.py`).
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode, urlsplit

from platform_assets.deployment.errors import DeploymentError, InvalidRelease
from serving.release_archive import ReleaseArchiveError, archive_name, stream_digest, write_archive

if TYPE_CHECKING:
    from platform_assets.deployment.kubernetes.settings import ClusterSettings

RUNTIME_SOURCES = "/opt/platform-assets/src"
"""Where the runtime image holds `serving/fetch_release.py`; the command below is to be started there."""


class ShippingFailed(DeploymentError):
    """A release could not be put where pods fetch it from; nothing was deployed."""


@dataclass(frozen=True)
class ShippedRelease:
    """A release as pods fetch it.

    Attributes:
        digest: of the archive, "sha256:...".
        uri: where it lies: an absolute path, or `s3://bucket/key` with the endpoint where the store has one of its own.
        size_bytes: of the archive.
        stored: False when it was there already.
    """

    digest: str
    uri: str
    size_bytes: int
    stored: bool = True

    def fetch_command(self, folder: str, cache: str | None = None, cache_gigabytes: float = 10.0) -> list[str]:
        """The command of the init container, to be started in `RUNTIME_SOURCES` of the runtime image.

        Args:
            folder: where the release is unpacked.
            cache: the node's folder of archives; None for none.
            cache_gigabytes: how much it may hold (10^9 bytes each).
        """
        command = ["python", "-m", "serving.fetch_release", "--uri", self.uri, "--digest", self.digest, "--to", folder]
        return command if cache is None else [*command, "--cache", cache, "--cache-gigabytes", f"{cache_gigabytes:g}"]


def ship(
    release_root: Path, settings: ClusterSettings, object_store: Mapping[str, str] | None = None
) -> ShippedRelease:
    """Put the archive of a release where pods fetch it from, unless it is there already.

    Args:
        release_root: folder that holds all that the release's command reads.
        settings: say where archives are kept (`releases`): an absolute folder, of the volume that pods mount, or `s3://bucket/prefix`.
        object_store: endpoint and keys with deltalake's names (`AWS_ENDPOINT_URL`, ...); what is missing comes from the environment. Keys
            never become part of the address: pods have their own.

    Raises:
        InvalidRelease: the folder cannot be archived.
        ShippingFailed: the folder or bucket cannot be written.
    """
    releases = settings.releases
    with tempfile.TemporaryDirectory(prefix="shipping-") as scratch:
        archive = Path(scratch) / "archive"
        try:
            digest = write_archive(release_root, archive)
        except ReleaseArchiveError as error:
            raise InvalidRelease(str(error)) from error
        size_bytes = archive.stat().st_size
        try:
            if releases.startswith("s3://"):
                uri, stored = _to_bucket(archive, digest, releases, object_store or {})
            else:
                uri, stored = _to_folder(archive, digest, Path(releases))
        except OSError as error:
            raise ShippingFailed(
                f"the release {release_root} ({size_bytes} bytes) cannot be stored in {releases}: {error}. Check `releases` in "
                "PLATFORM_ASSETS_KUBERNETES: the folder or bucket must exist, have room, and be writable from here."
            ) from error
    return ShippedRelease(digest, uri, size_bytes, stored)


def _to_folder(archive: Path, digest: str, folder: Path) -> tuple[str, bool]:
    """Store it; its address, and False when it lay there undamaged."""
    if not folder.is_dir():
        raise FileNotFoundError(f"there is no folder {folder}")
    path = folder / archive_name(digest)
    if path.is_file():
        with path.open("rb") as stream:
            if stream_digest(stream) == digest:
                return str(path), False
    handle, part = tempfile.mkstemp(prefix=f".{path.name}-", dir=folder)
    try:
        with os.fdopen(handle, "wb") as out, archive.open("rb") as stream:
            shutil.copyfileobj(stream, out, 2**20)
            out.flush()
            os.fsync(out.fileno())
        os.chmod(part, 0o644)
        os.replace(part, path)
    except BaseException:
        Path(part).unlink(missing_ok=True)
        raise
    return str(path), True


def _to_bucket(archive: Path, digest: str, releases: str, options: Mapping[str, str]) -> tuple[str, bool]:
    """As `_to_folder`; an object of another size is replaced, one of this size has this digest in its name."""
    parts = urlsplit(releases)
    key = "/".join(part for part in (parts.netloc, parts.path.strip("/"), archive_name(digest)) if part)
    system, query = object_store_client(options)
    uri = f"s3://{key}" + (f"?{urlencode(query)}" if query else "")
    if system.get_file_info(key).size == archive.stat().st_size:
        return uri, False
    # compression=None: pyarrow would compress once more what is named .gz
    with archive.open("rb") as stream, system.open_output_stream(key, compression=None) as out:
        shutil.copyfileobj(stream, out, 2**20)
    return uri, True


def object_store_client(options: Mapping[str, str]) -> tuple[Any, dict[str, str]]:
    """pyarrow's client, and the part of an address that names an endpoint of its own."""
    from pyarrow import fs

    given = {name.upper(): value for name, value in options.items()}
    arguments = {
        "access_key": given.get("AWS_ACCESS_KEY_ID"),
        "secret_key": given.get("AWS_SECRET_ACCESS_KEY"),
        "session_token": given.get("AWS_SESSION_TOKEN"),
        "region": given.get("AWS_REGION") or given.get("AWS_DEFAULT_REGION"),
    }
    query = {"region": arguments["region"]} if arguments["region"] else {}
    endpoint = given.get("AWS_ENDPOINT_URL") or given.get("AWS_ENDPOINT_URL_S3") or given.get("AWS_ENDPOINT")
    if endpoint:
        scheme, _, host = endpoint.rstrip("/").rpartition("://")
        query |= {"endpoint_override": host, "scheme": scheme or "https"}
        arguments |= {"endpoint_override": host, "scheme": scheme or "https"}
    known = {name: value for name, value in arguments.items() if value is not None}
    return fs.S3FileSystem(**known, allow_delayed_open=True), query
