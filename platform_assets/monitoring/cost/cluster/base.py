"""What every source of a cluster's figures gives: pods, and what each used over a time.

Belongs here: the plain values, the Protocol, and rows of usage made of them. Does not belong here: any one source.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from platform_assets.monitoring.cost.usage import (
    OVERHEAD,
    PROXY,
    SERVICE,
    Quantities,
    kind_of_layer,
)

USE_CASE, COMPONENT, VERSION = "platform_assets_use_case", "app_kubernetes_io_component", "app_kubernetes_io_version"
"""Labels of what our target made, as Prometheus spells them."""
JOB, OP, RUN = "dagster_job", "dagster_op", "dagster_run_id"
"""Labels of Dagster's pods, likewise."""


class ClusterAnswerUnusable(ValueError):
    """An answer about a cluster that cannot be read; the message says what is wrong and where it comes from."""


@dataclass(frozen=True)
class PodUsage:
    """A pod over a time.

    Attributes:
        pod: `namespace/name`.
        labels: with names as Prometheus spells them, see `plain_labels`.
        first: when the time began.
        last: when it ended.
        cores: used on average.
        gigabytes: of memory used on average, 10^9 bytes.
        gpus: held on average.
        reserved_cores: asked for; None where the source does not say.
        reserved_gigabytes: likewise.
    """

    pod: str
    labels: Mapping[str, str]
    first: datetime
    last: datetime
    cores: float
    gigabytes: float
    gpus: float = 0.0
    reserved_cores: float | None = None
    reserved_gigabytes: float | None = None

    @property
    def use_case(self) -> str | None:
        """Whose it is; None for a pod that is nobody's here."""
        job = self.labels.get(JOB, "")
        return self.labels.get(USE_CASE) or (job.rpartition("__")[0] or None)


class ClusterSource(Protocol):
    """A program that says what pods used."""

    def read(self, answer: Any) -> list[PodUsage]:
        """Pods of an answer, which is parsed JSON.

        Raises:
            ClusterAnswerUnusable: it is no such answer.
        """
        ...


@dataclass(frozen=True)
class ClusterRows:
    """Rows of the usage table for a use case's pods.

    Attributes:
        rows: to be stored.
        pods: of the use case that the answer has.
        known: pods that were left out, because their time, or their run, is recorded already.
        reserved_core_seconds: that these pods asked for, used or not; 0 where the source does not say.
        used_core_seconds: that they used.
    """

    rows: list[dict[str, Any]] = field(default_factory=list)
    pods: int = 0
    known: int = 0
    reserved_core_seconds: float = 0.0
    used_core_seconds: float = 0.0


def plain_labels(labels: Mapping[str, Any]) -> dict[str, str]:
    """Labels with every character of their names that Prometheus does not allow as `_`: sources differ in who does that."""
    return {re.sub(r"[^a-zA-Z0-9_]", "_", name): str(value) for name, value in labels.items()}


def cluster_rows(
    use_case: str, label: str, pods: Iterable[PodUsage], newest: Mapping[str, datetime], runs: Sequence[str]
) -> ClusterRows:
    """Rows for the pods of a use case, each moment of a pod once.

    Args:
        use_case: its name.
        label: the name as a label has it.
        pods: of an answer.
        newest: until when each pod is recorded.
        runs: ids of runs that measured themselves, and whose pods count for nothing more.
    """
    rows, seen, known, reserved, used = list[dict[str, Any]](), 0, 0, 0.0, 0.0
    for pod in pods:
        if pod.use_case not in (use_case, label):
            continue
        seen += 1
        first = max(pod.first, newest.get(pod.pod, pod.first))
        seconds = (pod.last - first).total_seconds()
        run = pod.labels.get(RUN)
        if seconds <= 0 or run in runs:
            known += 1
            continue
        quantities = Quantities(seconds, pod.cores * seconds, pod.gigabytes * seconds, pod.gpus * seconds)
        rows.append({"at": pod.last, "process": pod.pod, "run_id": run, **_what(use_case, pod), **vars(quantities)})
        used += quantities.cpu_seconds
        reserved += (pod.reserved_cores or 0.0) * seconds
    return ClusterRows(rows, seen, known, reserved, used)


def _what(use_case: str, pod: PodUsage) -> dict[str, Any]:
    """Kind and name: a step's by its op, a run's by its job, what answers by its version."""
    job = pod.labels.get(JOB)
    if job is None:
        kind = SERVICE if pod.labels.get(COMPONENT) == SERVICE else PROXY
        return {"kind": kind, "name": pod.labels.get(VERSION) or pod.pod}
    plain = job.removeprefix(f"{use_case}__")
    op = pod.labels.get(OP)
    if op is None:
        return {"kind": OVERHEAD, "name": plain, "job": plain}
    table = op.removeprefix(f"{use_case}__").replace("__", "/", 1)
    return {"kind": kind_of_layer(table.partition("/")[0]), "name": table, "job": plain}
