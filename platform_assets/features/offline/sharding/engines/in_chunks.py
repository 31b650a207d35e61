"""This process alone: one piece of work after the other, what waits lies on disk.

Belongs here: the scratch folder and its files. Does not belong here: other processes (`ray_engine.py`), the stages (`stages.py`).
"""

from __future__ import annotations

import errno
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import polars as pl

from platform_assets.features.offline.sharding.engines.base import MOST_ATTEMPTS
from platform_assets.features.offline.sharding.errors import ScratchFull, ShardFailed
from platform_assets.features.offline.sharding.plan import ShardPlan
from platform_assets.features.offline.sharding.stages import Stages

Result = TypeVar("Result")

_FULL = (errno.ENOSPC, errno.EDQUOT)


@dataclass(frozen=True)
class InChunks:
    """Works in this process.

    Attributes:
        scratch: folder; what is put into it is removed at the end, also after a failure.
    """

    scratch: str

    def run(self, stages: Stages, plan: ShardPlan) -> list[Any]:
        """See `ShardEngine`."""
        with _folder(self.scratch) as folder:
            waiting = _Waiting(folder)
            if stages.shards:
                self._windows(stages, plan, waiting)
            result: list[Any] = []
            for chunk in plan.computed:
                parts = sorted(folder.glob(f"computed-{chunk.number}-*"))
                what = f"days {chunk.first} .. {chunk.last}"
                result += _attempt(what, lambda c=chunk, p=parts: stages.gather(c, waiting.take(p)))  # type: ignore[misc]
                waiting.drop(parts)
            return result

    def _windows(self, stages: Stages, plan: ShardPlan, waiting: _Waiting) -> None:
        counts = [[0] * len(plan.chunks) for _ in range(stages.shards)]
        for chunk in plan.chunks:
            parts = _attempt(f"days {chunk.first} .. {chunk.last}", lambda c=chunk: stages.scatter(c))  # type: ignore[misc]
            for shard, part in enumerate(parts):
                counts[shard][chunk.number] = part.height
                waiting.put(part, f"scattered-{chunk.number}-{shard}")
            del parts
        for shard in range(stages.shards):
            for number, segment in enumerate(plan.segments(shard, counts[shard])):
                paths = [waiting.path(f"scattered-{c.number}-{shard}") for c in (*segment.history, *segment.computed)]
                what = segment.describe(stages.shards)
                computed = _attempt(what, lambda s=segment, p=paths: stages.compute(s, list(waiting.take(p))))  # type: ignore[misc]
                for chunk, part in zip(segment.computed, computed, strict=True):
                    waiting.put(part, f"computed-{chunk.number}-{shard}-{number}")
                del computed
            waiting.drop(waiting.path(f"scattered-{chunk.number}-{shard}") for chunk in plan.chunks)


class _Waiting:
    """Frames between two stages, each a file."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def path(self, name: str) -> Path:
        return self._folder / name

    def put(self, part: pl.DataFrame, name: str) -> None:
        try:
            part.write_ipc(self.path(name), compression="lz4")
        except OSError as error:
            if error.errno in _FULL or "No space left" in str(error) or "quota" in str(error):
                raise ScratchFull(
                    f"no room in {self._folder.parent} for what waits between two stages of a backfill ({part.estimated_size():,} more "
                    f"bytes): {error}. Nothing was committed. Free space there, or name another folder in PLATFORM_ASSETS_SCRATCH"
                ) from error
            raise

    def take(self, paths: Iterable[Path]) -> Iterator[pl.DataFrame]:
        return (pl.read_ipc(path) for path in paths)

    def drop(self, paths: Iterable[Path]) -> None:
        for path in paths:
            path.unlink(missing_ok=True)


@contextmanager
def _folder(scratch: str) -> Iterator[Path]:
    try:
        Path(scratch).mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix="backfill-", dir=scratch))
    except OSError as error:
        raise ScratchFull(
            f"cannot write to {scratch}: {error.strerror}. Name a folder that you may write to in PLATFORM_ASSETS_SCRATCH"
        ) from error
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _attempt(what: str, work: Callable[[], Result]) -> Result:
    """Do it, and again after a failure that may pass.

    Raises:
        ShardFailed: it failed as often as it may.
    """
    for number in range(1, MOST_ATTEMPTS + 1):
        try:
            return work()
        except (OSError, MemoryError, pl.exceptions.ComputeError) as error:
            if number == MOST_ATTEMPTS:
                raise ShardFailed(
                    f"{what} failed {number} times: {type(error).__name__}, {error}. Nothing was committed; run it again once mended"
                ) from error
    raise AssertionError("unreachable")
