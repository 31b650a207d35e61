"""Which archives of releases are kept where pods fetch them from, and taking the others away.

Belongs here: what each target remembers of the archives that it shipped, which of them are surplus, and deleting those. Does not belong
here: putting an archive there (`shipping.py`), and what a node keeps (`serving/release_cache.py`).

The memory lies beside the archives, a file for each target: several may share a folder or bucket, and one deletes nothing that another
one names. An archive that nobody remembers, such as one from before there was this memory, is never touched.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from pydantic import Field, ValidationError

from platform_assets.deployment.errors import TargetUnavailable
from platform_assets.deployment.kubernetes.shipping import object_store_client
from platform_assets.deployment.remembered import Stored
from serving.release_archive import archive_name

if TYPE_CHECKING:
    from platform_assets.deployment.kubernetes.arms import StoredArchive
    from platform_assets.deployment.kubernetes.settings import ClusterSettings

logger = logging.getLogger(__name__)

MEMORY = "kept-by"
"""Folder beside the archives with a file for each target."""


class ShippedArchive(Stored):
    """An archive that a target put there, or found there when it wanted to.

    Attributes:
        use_case: whose release.
        version: of the release.
        digest: of the archive.
        serves_since: when it last began to answer the use case's requests, ISO 8601 in UTC; empty while it never did.
    """

    use_case: str
    version: str
    digest: str
    serves_since: str = ""

    def __str__(self) -> str:
        """As people are told of it."""
        return f"archive of {self.use_case} {self.version} ({self.digest[:19]}...)"


class TargetMemory(Stored):
    """What one target remembers: one entry for each use case and digest."""

    namespace: str
    archives: tuple[ShippedArchive, ...] = Field(default=())

    def with_archive(self, one: ShippedArchive) -> TargetMemory:
        """A copy with this one; one that served keeps since when, where the new entry does not say."""
        known = next((old for old in self.archives if _named(old) == _named(one)), None)
        since = one.serves_since or (known.serves_since if known else "")
        others = tuple(old for old in self.archives if _named(old) != _named(one))
        return self.model_copy(update={"archives": (*others, one.model_copy(update={"serves_since": since}))})

    def without(self, gone: Iterable[ShippedArchive]) -> TargetMemory:
        """A copy without these."""
        names = {_named(one) for one in gone}
        return self.model_copy(update={"archives": tuple(one for one in self.archives if _named(one) not in names)})


def surplus(archives: Iterable[ShippedArchive], in_use: Iterable[str], keep: int) -> list[ShippedArchive]:
    """Those that may go, in the order given.

    Of each use case stay the `keep` that served last; with `keep` at least 2 the one that serves and the one that a rollback goes to are
    among them. One that never served stays while a rollout uses it.

    Args:
        archives: of one target.
        in_use: digests of all its arms.
        keep: of each use case.
    """
    archives, used = list(archives), set(in_use)
    served = sorted((one for one in archives if one.serves_since), key=lambda one: one.serves_since, reverse=True)
    counted: dict[str, int] = {}
    for one in served:
        counted[one.use_case] = counted.get(one.use_case, 0) + 1
        if counted[one.use_case] <= keep:
            used.add(one.digest)
    return [one for one in archives if one.digest not in used]


@dataclass(frozen=True)
class ReleaseArchives:
    """The archives of one target; its commands take turns, so that its memory has one writer at a time.

    Attributes:
        settings: where archives lie, and how many are kept.
        object_store: as of `shipping.ship`.
    """

    settings: ClusterSettings
    object_store: Mapping[str, str] = field(default_factory=dict)

    def shipped(self, target: str, use_case: str, version: str, archive: StoredArchive) -> None:
        """Remember an archive that a version is about to be started from.

        Raises:
            OSError: the folder or bucket cannot be read or written.
        """
        one = ShippedArchive(use_case=use_case, version=version, digest=archive.digest)
        self._write(target, self._read(target).with_archive(one))

    def serves(self, target: str, use_case: str, version: str, archive: StoredArchive) -> None:
        """Remember that a version answers the use case's requests from now on; one that did already is left as it is.

        Raises:
            OSError: as `shipped`.
        """
        memory, now = self._read(target), datetime.now(UTC).isoformat(timespec="milliseconds")
        newest = max((one for one in memory.archives if one.use_case == use_case), key=_since, default=None)
        if newest is None or newest.digest != archive.digest or not newest.serves_since:
            one = ShippedArchive(use_case=use_case, version=version, digest=archive.digest, serves_since=now)
            self._write(target, memory.with_archive(one))

    def surplus(self, target: str, in_use: Iterable[str]) -> list[ShippedArchive]:
        """Archives of this target that may go.

        Raises:
            OSError: as `shipped`.
        """
        return surplus(self._read(target).archives, in_use, self.settings.keep_releases)

    def prune(self, target: str, in_use: Iterable[str]) -> list[ShippedArchive]:
        """Delete them, but for those that another target names; all are forgotten.

        Raises:
            OSError: as `shipped`; also where another target's memory cannot be read, and then nothing is deleted.
        """
        memory = self._read(target)
        gone = surplus(memory.archives, in_use, self.settings.keep_releases)
        if not gone:
            return []
        elsewhere = set(self._named_elsewhere(target))
        left = {one.digest for one in memory.without(gone).archives}  # two use cases with one release
        files, folder = self._files()
        deleted = []
        for one in gone:
            if one.digest in elsewhere | left:
                logger.info("the %s stays: another target names it", one)
                continue
            path = f"{folder}/{archive_name(one.digest)}"
            if files.get_file_info(path).is_file:
                files.delete_file(path)
            deleted.append(one)
            logger.info("the %s was removed: %d of a use case are kept", one, self.settings.keep_releases)
        self._write(target, memory.without(gone))
        return deleted

    def _named_elsewhere(self, target: str) -> Iterator[str]:
        """Digests that other targets name.

        Raises:
            OSError: the memory of one of them cannot be read.
        """
        from pyarrow import fs

        files, folder = self._files()
        for found in files.get_file_info(fs.FileSelector(f"{folder}/{MEMORY}", allow_not_found=True)):
            if not found.is_file or not found.base_name.endswith(".json") or found.base_name == f"{target}.json":
                continue
            try:
                yield from (one.digest for one in self._parsed(found.path).archives)
            except ValidationError as error:
                raise OSError(
                    f"{found.path} cannot be read, so nobody knows which archives that target keeps; delete it if the target is gone "
                    f"({error.errors()[0]['msg']})"
                ) from error

    def _read(self, target: str) -> TargetMemory:
        files, folder = self._files()
        path = f"{folder}/{MEMORY}/{target}.json"
        if not files.get_file_info(path).is_file:
            return TargetMemory(namespace=self.settings.namespace)
        try:
            return self._parsed(path)
        except ValidationError:
            logger.warning(
                "%s cannot be read and is begun anew: archives from before it stay until somebody deletes them", path
            )
            return TargetMemory(namespace=self.settings.namespace)

    def _parsed(self, path: str) -> TargetMemory:
        with self._files()[0].open_input_stream(path) as stream:
            return TargetMemory.model_validate_json(stream.read())

    def _write(self, target: str, memory: TargetMemory) -> None:
        files, folder = self._files()
        path = f"{folder}/{MEMORY}/{target}.json"
        part = path if self._in_bucket else f"{path}.part"  # an object is there whole or not at all
        if not self._in_bucket:
            files.create_dir(f"{folder}/{MEMORY}", recursive=False)
        with files.open_output_stream(part) as out:
            out.write(memory.model_dump_json().encode())
        if part != path:
            files.move(part, path)

    @property
    def _in_bucket(self) -> bool:
        return self.settings.releases.startswith("s3://")

    def _files(self) -> tuple[Any, str]:
        """pyarrow's client, and the path of the archives in it."""
        if self._in_bucket:
            parts = urlsplit(self.settings.releases)
            client, _ = object_store_client(self.object_store)
            return client, "/".join(part for part in (parts.netloc, parts.path.strip("/")) if part)
        from pyarrow import fs

        return fs.LocalFileSystem(), self.settings.releases.rstrip("/")


def left_over(archives: ReleaseArchives | None, target: str, in_use: Iterable[str], *, remove: bool) -> list[str]:
    """Archives beyond those that are kept, as people are told of them; deleted where that is asked for.

    Raises:
        TargetUnavailable: their folder or bucket cannot be read or written.
    """
    if archives is None or not target:
        return []
    try:
        return [str(one) for one in (archives.prune if remove else archives.surplus)(target, in_use)]
    except OSError as error:
        where = f"{archives.settings.releases} (`releases` in PLATFORM_ASSETS_KUBERNETES)"
        raise TargetUnavailable(f"archives of releases in {where} were left as they are: {error}") from error


def _named(one: ShippedArchive) -> tuple[str, str]:
    return one.use_case, one.digest


def _since(one: ShippedArchive) -> str:
    return one.serves_since
