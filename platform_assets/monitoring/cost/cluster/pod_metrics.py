"""The metrics API of Kubernetes: what each pod uses now.

Belongs here: reading a PodMetricsList, as `kubectl get --raw /apis/metrics.k8s.io/v1beta1/namespaces/NAME/pods` prints it. Does not belong
here: anything over time: a look is charged from the one before it, an hour back at most, as `estimated`.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from platform_assets.monitoring.cost.cluster.base import ClusterAnswerUnusable, PodUsage, plain_labels

LONGEST = timedelta(hours=1)
"""Before a look for which a pod is charged what it uses now, at most; not before it was created."""
_FACTORS = {
    "n": 1e-9, "u": 1e-6, "m": 1e-3, "": 1.0, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12,
    "Ki": 2.0**10, "Mi": 2.0**20, "Gi": 2.0**30, "Ti": 2.0**40,
}  # fmt: skip


class PodMetrics:
    """Reads a list of pods with what their containers use."""

    def read(self, answer: Any) -> list[PodUsage]:
        """As `ClusterSource.read`."""
        if not isinstance(answer, Mapping) or answer.get("kind") != "PodMetricsList":
            kind = answer.get("kind") if isinstance(answer, Mapping) else type(answer).__name__
            raise ClusterAnswerUnusable(
                f"this is no PodMetricsList but {kind}: ask `kubectl get --raw /apis/metrics.k8s.io/v1beta1/namespaces/NAME/pods`"
            )
        return [_pod(item) for item in answer.get("items") or []]


def _pod(item: Mapping[str, Any]) -> PodUsage:
    try:
        about = item["metadata"]
        last = _moment(item["timestamp"])
        created = _moment(about["creationTimestamp"]) if about.get("creationTimestamp") else last - LONGEST
        used = [one["usage"] for one in item["containers"]]
        return PodUsage(
            f"{about.get('namespace', '')}/{about['name']}",
            plain_labels(about.get("labels") or {}),
            max(last - LONGEST, min(created, last)),
            last,
            sum(quantity(one["cpu"]) for one in used),
            sum(quantity(one["memory"]) for one in used) / 1e9,
        )
    except KeyError as error:
        raise ClusterAnswerUnusable(f"a pod of the list has no {error.args[0]!r}") from None


def quantity(text: str) -> float:
    """A quantity of Kubernetes as a number: `250m` is 0.25, `1Ki` is 1024.

    Raises:
        ClusterAnswerUnusable: it is none.
    """
    number = text.rstrip("numkKMGTi")
    try:
        return float(number) * _FACTORS[text[len(number) :]]
    except (KeyError, ValueError):
        raise ClusterAnswerUnusable(f"{text!r} is no quantity of Kubernetes, such as 250m or 512Mi") from None


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


POD_METRICS = PodMetrics()
