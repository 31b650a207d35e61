"""Processes of a Ray cluster: Ray runs the pieces of work, hands on what waits between two stages, and begins again what a machine lost.

Belongs here: pieces of work as Ray's tasks. Does not belong here: joining a cluster (`training/distributed/cluster.py`), the stages
(`stages.py`).

A process that is killed costs the piece of work that it did; a machine that is lost costs what only it held. Results wait in Ray's object
store, which spills to the disks of its machines.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import polars as pl

from platform_assets.features.errors import FeatureError
from platform_assets.features.offline.sharding.engines.base import MOST_ATTEMPTS
from platform_assets.features.offline.sharding.errors import ScratchFull, ShardFailed
from platform_assets.features.offline.sharding.plan import Chunk, Segment, ShardPlan
from platform_assets.features.offline.sharding.stages import Stages

SAME_EVERYWHERE = ("platform-assets", "polars", "numpy", "numba", "pyarrow", "deltalake")
"""What has to have the same version on all machines, or bits may differ."""

Join = Callable[[Mapping[str, float], str], AbstractContextManager[Any]]


@dataclass(frozen=True)
class OnRay:
    """Works on a cluster.

    Attributes:
        join: gives Ray, connected, once the cluster has room for one more piece of work: what it takes, and what it is, for messages.
        memory_bytes: that Ray reserves for a piece of work.
    """

    join: Join
    memory_bytes: int

    def run(self, stages: Stages, plan: ShardPlan) -> list[Any]:
        """See `ShardEngine`."""
        takes = {"CPU": 1.0, "memory": float(self.memory_bytes)}
        with self.join(takes, "a shard of a backfill") as ray:
            _refuse_other_versions(ray)
            options = {
                "num_cpus": 1,
                "memory": self.memory_bytes,
                "max_retries": MOST_ATTEMPTS - 1,
                "retry_exceptions": [OSError, MemoryError, pl.exceptions.ComputeError],
            }
            return _Tasks(ray, options, ray.put(stages), stages.shards, plan).run()


class _Tasks:
    """One backfill's tasks."""

    def __init__(self, ray: Any, options: Mapping[str, Any], stages: Any, shards: int, plan: ShardPlan) -> None:
        self._ray, self._options, self._stages, self._shards, self._plan = ray, dict(options), stages, shards, plan

    def run(self) -> list[Any]:
        """All stages."""
        arriving: dict[int, list[Any]] = {chunk.number: [] for chunk in self._plan.computed}
        if self._shards:
            self._windows(arriving)
        gathers = [
            (self._task(_gather, f"days {chunk.first} .. {chunk.last}", 1, chunk, *arriving.pop(chunk.number)), chunk)
            for chunk in self._plan.computed
        ]
        names = {reference: f"days {chunk.first} .. {chunk.last}" for reference, chunk in gathers}
        results = self._finished(names)
        return [item for reference, _ in gathers for item in results[reference]]

    def _windows(self, arriving: dict[int, list[Any]]) -> None:
        scattered, names = dict[int, list[Any]](), dict[Any, str]()
        for chunk in self._plan.chunks:
            what = f"days {chunk.first} .. {chunk.last}"
            scattered[chunk.number] = self._task(_scatter, what, self._shards + 1, chunk)
            names[scattered[chunk.number][0]] = what
        finished = self._finished(names)
        counts = {number: finished[references[0]] for number, references in scattered.items()}
        names = {}
        for shard in range(self._shards):
            of_shard = [counts[chunk.number][shard] for chunk in self._plan.chunks]
            for segment in self._plan.segments(shard, of_shard):
                parts = [scattered[chunk.number][shard + 1] for chunk in (*segment.history, *segment.computed)]
                what = segment.describe(self._shards)
                references = self._task(_compute, what, len(segment.computed) + 1, segment, *parts)
                names[references[0]] = what
                for chunk, reference in zip(segment.computed, references[1:], strict=True):
                    arriving[chunk.number].append(reference)
        scattered.clear()  # what a finished task has read is let go
        self._finished(names)

    def _task(self, function: Callable[..., Any], what: str, returns: int, *arguments: Any) -> Any:
        remote = self._ray.remote(function).options(num_returns=returns, name=what, **self._options)
        return remote.remote(self._stages, *arguments)

    def _finished(self, names: Mapping[Any, str]) -> dict[Any, Any]:
        """The values of these references, as they come; the first failure ends the wait."""
        waiting, values = list(names), dict[Any, Any]()
        try:
            while waiting:
                ready, waiting = self._ray.wait(waiting, num_returns=1)
                for reference in ready:
                    values[reference] = self._value(reference, names[reference])
        finally:
            for reference in waiting:
                self._ray.cancel(reference, force=True)
        return values

    def _value(self, reference: Any, what: str) -> Any:
        from ray.exceptions import OutOfDiskError, RayError, RayTaskError

        try:
            return self._ray.get(reference)
        except OutOfDiskError as error:
            raise ScratchFull(
                f"{what}: a machine of the Ray cluster has a full disk, where results wait ({_first_line(error)}); nothing is kept: "
                "free space there, or set the cluster's `object_spilling_directory`"
            ) from error
        except RayError as error:
            cause = getattr(error, "cause", None)
            if isinstance(error, RayTaskError) and not isinstance(
                cause, (OSError, MemoryError, pl.exceptions.ComputeError)
            ):
                raise cause if isinstance(cause, Exception) else FeatureError(f"{what}: {error}") from None
            reason = (
                f"{type(cause).__name__}, {cause}"
                if cause is not None
                else f"{type(error).__name__}: {_first_line(error)}"
            )
            raise ShardFailed(
                f"{what} failed {MOST_ATTEMPTS} times on the Ray cluster: {reason}. Nothing was committed; run it again once that is mended"
            ) from error


def _scatter(stages: Stages, chunk: Chunk) -> list[Any]:
    parts = stages.scatter(chunk)
    return [[part.height for part in parts], *(part.to_arrow() for part in parts)]


def _compute(stages: Stages, segment: Segment, *tables: Any) -> list[Any]:
    computed = stages.compute(segment, _frames(tables))
    return [segment.shard, *(part.to_arrow() for part in computed)]


def _gather(stages: Stages, chunk: Chunk, *tables: Any) -> list[Any]:
    return list(stages.gather(chunk, _frames(tables)))


def _frames(tables: Sequence[Any]) -> list[pl.DataFrame]:
    return [pl.DataFrame(table) for table in tables]


def versions() -> dict[str, str]:
    """What runs here."""
    return {"python": ".".join(map(str, sys.version_info[:3])), **{name: version(name) for name in SAME_EVERYWHERE}}


def _refuse_other_versions(ray: Any) -> None:
    """Refuse machines that run something else than this process.

    Raises:
        FeatureError: naming machine, package and versions.
    """
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    here = versions()
    nodes = [node for node in ray.nodes() if node["Alive"] and node["Resources"].get("CPU")]
    there = [
        ray.remote(versions)
        .options(num_cpus=0, scheduling_strategy=NodeAffinitySchedulingStrategy(node["NodeID"], soft=False))
        .remote()
        for node in nodes
    ]
    for node, found in zip(nodes, ray.get(there), strict=True):
        problem = other_versions(here, found)
        if problem:
            raise FeatureError(
                f"the Ray node {node['NodeManagerAddress']} has {problem}: a backfill wants the same on all machines, or bits may differ. "
                "Use one image for the cluster and for the runs"
            )


def other_versions(here: Mapping[str, str], there: Mapping[str, str]) -> str:
    """How a machine differs, in words; empty where it does not."""
    return ", ".join(
        f"{name} {there.get(name)} (here {found})" for name, found in here.items() if there.get(name) != found
    )


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
