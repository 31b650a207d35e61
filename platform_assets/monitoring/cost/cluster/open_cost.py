"""OpenCost's allocations: what each pod used and reserved over a window.

Belongs here: reading an answer of `/allocation/compute?window=...&aggregate=pod`. Does not belong here: its money, by list prices of its
own: quantities are priced by our sheet.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from platform_assets.monitoring.cost.cluster.base import ClusterAnswerUnusable, PodUsage, plain_labels

IDLE = "__idle__"


class OpenCost:
    """Reads allocations by pod."""

    def read(self, answer: Any) -> list[PodUsage]:
        """As `ClusterSource.read`."""
        if not isinstance(answer, Mapping) or not isinstance(answer.get("data"), list):
            said = answer.get("message") if isinstance(answer, Mapping) else None
            raise ClusterAnswerUnusable(
                "this is no answer of OpenCost's allocations: it has no list `data`"
                + (f", and says: {said}" if said else "; ask `/allocation/compute?window=1d&aggregate=pod`")
            )
        found = []
        for window in answer["data"]:
            for name, allocation in (window or {}).items():
                if not name.startswith("__"):  # idle, unallocated, unmounted: nobody's
                    found.append(_pod(name, allocation))
        return found


def _pod(name: str, allocation: Mapping[str, Any]) -> PodUsage:
    try:
        belongs = allocation["properties"]
        if "pod" not in belongs:
            raise ClusterAnswerUnusable(f"allocation {name!r} is of no pod: ask with `aggregate=pod`")
        hours = allocation["minutes"] / 60
        return PodUsage(
            f"{belongs.get('namespace', '')}/{belongs['pod']}",
            plain_labels(belongs.get("labels") or {}),
            _moment(allocation["start"]),
            _moment(allocation["end"]),
            float(allocation["cpuCoreUsageAverage"]),
            float(allocation["ramByteUsageAverage"]) / 1e9,
            float(allocation.get("gpuHours") or 0.0) / hours if hours else 0.0,
            float(allocation["cpuCoreRequestAverage"]),
            float(allocation["ramByteRequestAverage"]) / 1e9,
        )
    except KeyError as error:
        raise ClusterAnswerUnusable(f"allocation {name!r} has no {error.args[0]!r}") from None
    except (TypeError, ValueError) as error:
        raise ClusterAnswerUnusable(f"allocation {name!r}: {error}") from None


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


OPEN_COST = OpenCost()
